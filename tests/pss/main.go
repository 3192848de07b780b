// Says what Kubernetes itself makes of pods under the Pod Security Standards.
//
// Reads pods, one JSON object a line, and writes a line for each: a digit for each minor version of 1.x from 0 to the
// newest that the module knows, first for `baseline`, then, after a space, for `restricted`; 1 is a pod that is let in.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// The newest minor version of Kubernetes that the module's release knows.
const latest = 37

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	out := bufio.NewWriter(os.Stdout)
	for lines.Scan() {
		var pod corev1.Pod
		if err := json.Unmarshal(lines.Bytes(), &pod); err != nil {
			return fmt.Errorf("not a pod: %w", err)
		}
		verdicts := [2][]byte{}
		for index, level := range []api.Level{api.LevelBaseline, api.LevelRestricted} {
			for minor := 0; minor <= latest; minor++ {
				version := api.LevelVersion{Level: level, Version: api.MajorMinorVersion(1, minor)}
				verdict := byte('1')
				for _, result := range evaluator.EvaluatePod(version, &pod.ObjectMeta, &pod.Spec) {
					if !result.Allowed {
						verdict = '0'
					}
				}
				verdicts[index] = append(verdicts[index], verdict)
			}
		}
		if _, err := fmt.Fprintf(out, "%s %s\n", verdicts[0], verdicts[1]); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return out.Flush()
}
