package report

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"

	"enilab/internal/report/chart"
	"enilab/internal/report/draw"
)

// Table is figures in rows, behind a picture or on their own. The first column says what a row is of.
type Table struct {
	Caption string
	Columns []Column
	Rows    [][]Cell
}

// Column heads figures of one unit, or words.
type Column struct {
	Head string
	Unit chart.Unit // empty: words, or figures whose cells say their unit
}

// Cell is a figure or words.
type Cell struct {
	words  string
	figure float64
	unit   chart.Unit
	number bool
}

func words(s string) Cell { return Cell{words: draw.Clean(s)} }

func figure(v float64, u chart.Unit) Cell { return Cell{figure: v, unit: u, number: true} }

func count(n int) Cell { return figure(float64(n), chart.Count) }

// Text is the cell for people.
func (c Cell) Text() string {
	if c.number {
		return c.unit.Format(c.figure)
	}
	return c.words
}

// Number tells whether it is a figure, which stands flush right.
func (c Cell) Number() bool { return c.number }

// raw is the cell for programs: a figure in its own unit, with all its digits.
func (c Cell) raw() string {
	if c.number {
		return strconv.FormatFloat(c.figure, 'f', -1, 64)
	}
	return c.words
}

// Add appends a row.
func (t *Table) Add(cells ...Cell) { t.Rows = append(t.Rows, cells) }

func columns(heads ...string) (all []Column) {
	for _, h := range heads {
		all = append(all, Column{Head: h})
	}
	return all
}

// WriteCSV writes the figures in their own units, which the heads name: us, s, 1/s, B, Mbit/s.
func (t Table) WriteCSV(w io.Writer) error {
	c := csv.NewWriter(w)
	heads := make([]string, len(t.Columns))
	for i, col := range t.Columns {
		heads[i] = col.Head
		if col.Unit != "" && col.Unit != chart.Count {
			heads[i] += " [" + string(col.Unit) + "]"
		}
	}
	_ = c.Write(heads)
	for _, row := range t.Rows {
		line := make([]string, len(row))
		for i, cell := range row {
			line[i] = cell.raw()
		}
		_ = c.Write(line)
	}
	c.Flush() // a writer's error stays until Error
	if err := c.Error(); err != nil {
		return fmt.Errorf("write the table %q: %w", t.Caption, err)
	}
	return nil
}
