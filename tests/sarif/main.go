// Validates SARIF 2.1.0 logs, given as files, against the schema that OASIS published.
//
// The schema comes with a library that keeps it to itself, and whose own validation first reads a log into its types,
// so that what they don't know is lost. Here its text is taken from the library's source, and the log is validated as it is.
package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	_ "github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"
	"github.com/xeipuuv/gojsonschema"
)

const library = "github.com/owenrumney/go-sarif/v3"

func main() {
	schema, err := published()
	if err != nil {
		fmt.Fprintln(os.Stderr, "no schema:", err)
		os.Exit(1)
	}
	failed := 0
	for _, path := range os.Args[1:] {
		if err := validate(schema, path); err != nil {
			fmt.Printf("%s: %v\n", path, err)
			failed++
		}
	}
	fmt.Printf("%d passed, %d failed\n", len(os.Args)-1-failed, failed)
	if failed > 0 || len(os.Args) == 1 {
		os.Exit(1)
	}
}

func published() (*gojsonschema.Schema, error) {
	folder, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", library).Output()
	if err != nil {
		return nil, err
	}
	source := filepath.Join(strings.TrimSpace(string(folder)), "pkg/report/v210/sarif/schema.go")
	file, err := parser.ParseFile(token.NewFileSet(), source, nil, 0)
	if err != nil {
		return nil, err
	}
	text := ""
	ast.Inspect(file, func(node ast.Node) bool {
		if literal, ok := node.(*ast.BasicLit); ok && literal.Kind == token.STRING && len(literal.Value) > len(text) {
			text = literal.Value
		}
		return true
	})
	unquoted, err := strconv.Unquote(text)
	if err != nil {
		return nil, err
	}
	return gojsonschema.NewSchema(gojsonschema.NewStringLoader(unquoted))
}

func validate(schema *gojsonschema.Schema, path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	result, err := schema.Validate(gojsonschema.NewBytesLoader(text))
	if err != nil {
		return err
	}
	var all []error
	for _, wrong := range result.Errors() {
		all = append(all, errors.New(wrong.String()))
	}
	return errors.Join(all...)
}
