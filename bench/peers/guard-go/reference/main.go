// A gate made of the parts that the usual one is made of: k8s.io/apiserver's delegating authenticator and authoriser in
// front of net/http/httputil's reverse proxy, with its lifetimes of cached answers. A peer of `cargo xtask bench guard`.
package main

import (
	"flag"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"k8s.io/apiserver/pkg/apis/apiserver"
	"k8s.io/apiserver/pkg/authentication/authenticatorfactory"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"
	"k8s.io/apiserver/pkg/server/options"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

func main() {
	listen := flag.String("listen", "", "address to serve on")
	certificate := flag.String("cert", "", "serving certificate")
	key := flag.String("key", "", "its key")
	kubeconfig := flag.String("kubeconfig", "", "how to reach the API server")
	upstream := flag.String("upstream", "", "URL to forward to")
	flag.Parse()

	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	fatal(err)
	client, err := kubernetes.NewForConfig(config)
	fatal(err)
	backoff := options.DefaultAuthWebhookRetryBackoff()
	authentication := authenticatorfactory.DelegatingAuthenticatorConfig{
		Anonymous:                &apiserver.AnonymousAuthConfig{Enabled: false},
		TokenAccessReviewClient:  client.AuthenticationV1(),
		TokenAccessReviewTimeout: 10 * time.Second,
		WebhookRetryBackoff:      backoff,
		CacheTTL:                 2 * time.Minute,
	}
	authenticate, _, err := authentication.New()
	fatal(err)
	authorization := authorizerfactory.DelegatingAuthorizerConfig{
		SubjectAccessReviewClient: client.AuthorizationV1(),
		AllowCacheTTL:             5 * time.Minute,
		DenyCacheTTL:              30 * time.Second,
		WebhookRetryBackoff:       backoff,
	}
	authorize, err := authorization.New()
	fatal(err)
	target, err := url.Parse(*upstream)
	fatal(err)
	proxy := httputil.NewSingleHostReverseProxy(target)

	gate := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, ok, err := authenticate.AuthenticateRequest(r)
		if err != nil || !ok {
			http.Error(w, "Unauthorized", http.StatusUnauthorized)
			return
		}
		verdict, _, err := authorize.Authorize(r.Context(), authorizer.AttributesRecord{
			User: answer.User,
			Verb: strings.ToLower(r.Method),
			Path: r.URL.Path,
		})
		if err != nil {
			http.Error(w, "Authorization error", http.StatusInternalServerError)
			return
		}
		if verdict != authorizer.DecisionAllow {
			http.Error(w, "Forbidden", http.StatusForbidden)
			return
		}
		proxy.ServeHTTP(w, r)
	})
	mux := http.NewServeMux()
	mux.Handle("/", gate)
	server := &http.Server{Addr: *listen, Handler: mux}
	fatal(http2.ConfigureServer(server, &http2.Server{MaxConcurrentStreams: 100, IdleTimeout: 90 * time.Second}))
	fatal(server.ListenAndServeTLS(*certificate, *key))
}

func fatal(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
