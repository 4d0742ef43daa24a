// Command gen writes the request and response types of the AWS services that the lab speaks, out of the API models that
// AWS publishes with botocore (Apache License 2.0):
//
//	BOTOCORE=.../site-packages/botocore go generate ./internal/wire
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	out := flag.String("out", ".", "directory of internal/wire")
	flag.Parse()
	if err := run(os.Getenv("BOTOCORE"), *out); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(botocore, out string) error {
	if botocore == "" {
		return errors.New("BOTOCORE must name the directory of botocore " + release + ", which has __init__.py and data")
	}
	if err := checkRelease(botocore); err != nil {
		return err
	}
	for _, s := range services {
		m, err := readModel(botocore, s)
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
