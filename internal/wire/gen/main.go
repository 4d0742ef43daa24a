// Command gen writes the request and response types of the AWS services that the lab speaks, out of the API models that
// AWS publishes with botocore (Apache License 2.0). Debian ships them in its package awscli.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

// defaultModels is where Debian's package awscli has botocore's models.
const defaultModels = "/usr/lib/python3/dist-packages/awscli/botocore/data"

func main() {
	models := flag.String("models", defaultModels, "directory of botocore's models")
	out := flag.String("out", ".", "directory of internal/wire")
	flag.Parse()
	if err := run(*models, *out); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(models, out string) error {
	for _, s := range services {
		m, err := readModel(models, s)
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
