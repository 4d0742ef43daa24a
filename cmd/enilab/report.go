package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"enilab/internal/report"
	"enilab/internal/report/draw"
	"enilab/internal/spelling"

	"github.com/spf13/cobra"
)

// reportFormats of report's output: a page, or a file for each picture.
var reportFormats = []string{"html", "svg", "png", "csv"}

func reportCommand(s streams) *cobra.Command {
	var out, format string
	cmd := &cobra.Command{
		Use: "report FILE.json... -o OUT", Short: "Show what bench, rollout and compare have measured, in pictures",
		Long: `Show measured figures in pictures, each with the table behind it. The files are what these print:

  enilab bench --format json > bench.json
  enilab rollout --format json > rollout.json
  enilab compare --format json > compare.json

Any of them will do; what the others would show is left out. Of several benches the newest is
shown, and compared with the one before. "-" reads from standard input.

  html  one page that needs nothing besides: no network, no script (-o FILE, or - for stdout)
  svg   a file for each picture, for slides (-o DIRECTORY)
  png   the same as pixels, twice as large (-o DIRECTORY)
  csv   the figures behind each picture, in their own units (-o DIRECTORY)`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage("give one or more files of figures; these make them: 'enilab bench --format json > bench.json', 'enilab rollout --format json > rollout.json', 'enilab compare --format json > compare.json'")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains(reportFormats, format) {
				return usage("--format %q: give one of %v", format, reportFormats)
			}
			if out == "" {
				return usage("say where to write the report: -o report.html, or -o DIRECTORY with --format svg, png or csv")
			}
			if out == "-" && format != "html" {
				return usage("--format %s writes several files: give a directory with -o", format)
			}
			if format == "html" && out != "-" {
				if err := checkOutput(out); err != nil {
					return err
				}
			}
			d, err := s.readFigures(cmd.Context(), args)
			if cause := context.Cause(cmd.Context()); cause != nil {
				return cause
			}
			if err != nil {
				return &exitError{exitUsage, err}
			}
			if format != "html" {
				return s.writePictures(d, out, format)
			}
			if out == "-" {
				return d.WritePage(s.out)
			}
			return replace(out, d.WritePage)
		},
	}
	cmd.Flags().StringVarP(&out, "output", "o", "", "where to write: a file, or a directory for svg, png and csv")
	cmd.Flags().StringVar(&format, "format", "html", "html, svg, png or csv")
	return cmd
}

// readFigures reads all files; the first that is none of ours ends it.
func (s streams) readFigures(ctx context.Context, names []string) (*report.Data, error) {
	d := new(report.Data)
	for _, name := range names {
		text, err := s.readFile(ctx, name, report.MaxFile+1)
		if err != nil {
			return nil, err
		}
		if name == "-" {
			name = "standard input"
		}
		if err := d.Add(name, text); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// writePictures writes a file for each picture into a directory, and says which.
func (s streams) writePictures(d *report.Data, dir, format string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return &exitError{exitUsage, outputError(dir, err)}
	}
	pictures := d.Pictures()
	for _, p := range pictures {
		file := filepath.Join(dir, p.Name+"."+format)
		err := replace(file, func(w io.Writer) error {
			switch format {
			case "svg":
				return p.Alone().WriteFile(w)
			case "png":
				return draw.WritePNG(w, p.Alone())
			}
			if len(p.Samples.Rows) > 0 {
				return p.Samples.WriteCSV(w)
			}
			return p.Table.WriteCSV(w)
		})
		if err != nil {
			return err
		}
	}
	fmt.Fprintf(s.err, "%s in %s\n", spelling.Counted(len(pictures), "picture"), dir)
	return nil
}
