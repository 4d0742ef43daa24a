// Command gen writes the request and response types of the AWS services that the lab speaks, out of the API models that
// AWS publishes with botocore (Apache License 2.0). What is used of them is in models, so that everybody generates the
// same; -import brings it up to another release.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	from := flag.String("import", "", "take the models from botocore's directory, such as site-packages/botocore, instead of generating")
	out := flag.String("out", ".", "directory of internal/wire")
	flag.Parse()
	run := generateAll
	if *from != "" {
		run = func(out string) error { return importModels(*from, filepath.Join(out, "gen", "models")) }
	}
	if err := run(*out); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func generateAll(out string) error {
	for _, s := range services {
		m, err := readModel(s)
		if err != nil {
			return err
		}
		files, err := generate(m, s)
		if err != nil {
			return fmt.Errorf("%s: %w", s.pkg, err)
		}
		if err := os.MkdirAll(filepath.Join(out, s.pkg), 0o755); err != nil {
			return err
		}
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(out, s.pkg, name), text, 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}
