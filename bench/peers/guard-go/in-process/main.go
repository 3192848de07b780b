// A metrics endpoint behind controller-runtime's own filter, as operators have it: nothing is forwarded, the answer is made
// in the same process. A peer of `cargo xtask bench guard`.
package main

import (
	"flag"
	"log"
	"net/http"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
)

func main() {
	listen := flag.String("listen", "", "address to serve on")
	certificate := flag.String("cert", "", "serving certificate")
	key := flag.String("key", "", "its key")
	kubeconfig := flag.String("kubeconfig", "", "how to reach the API server")
	size := flag.Int("size", 1024, "bytes of an answer")
	flag.Parse()

	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	fatal(err)
	client, err := rest.HTTPClientFor(config)
	fatal(err)
	filter, err := filters.WithAuthenticationAndAuthorization(config, client)
	fatal(err)
	answer := make([]byte, *size)
	for i := range answer {
		answer[i] = 'a'
	}
	handler, err := filter(logr.Discard(), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		_, _ = w.Write(answer)
	}))
	fatal(err)
	mux := http.NewServeMux()
	mux.Handle("/metrics", handler)
	server := &http.Server{Addr: *listen, Handler: mux}
	fatal(server.ListenAndServeTLS(*certificate, *key))
}

func fatal(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
