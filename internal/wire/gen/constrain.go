package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"

	"enilab/internal/wire"
)

// constraints adds what the model says that a value of a shape must be, as internal/wire reads it. A list's elements have
// the prefix each_, a map's keys and values key_ and each_.
func (g *generator) constraints(name, prefix string, add func(key, value string)) error {
	s := g.Shapes[name]
	if low, high := number(s.Min), cmp.Or(g.most[name], number(s.Max)); low != "" || high != "" {
		switch s.Type {
		case "integer", "long", "float", "double":
			add(prefix+"range", low+","+high)
		case "string", "list", "map":
			add(prefix+"length", low+","+high)
		}
	}
	if s.Pattern != "" && s.Type == "string" {
		if _, err := wire.CompilePattern(s.Pattern); err != nil {
			return fmt.Errorf("the pattern of %s: %w", name, err)
		}
		add(prefix+"pattern", s.Pattern)
	}
	if len(s.Enum) > 0 && !g.open[name] {
		add(prefix+"enum", strings.Join(s.Enum, ","))
	}
	if s.Sensitive && prefix == "" {
		add("sensitive", "true")
	}
	if prefix != "" { // lists of lists are not looked into
		return nil
	}
	switch s.Type {
	case "list":
		return g.constraints(s.Member.Shape, "each_", add)
	case "map":
		if err := g.constraints(s.Key.Shape, "key_", add); err != nil {
			return err
		}
		return g.constraints(s.Value.Shape, "each_", add)
	}
	return nil
}

func number(n *json.Number) string {
	if n == nil {
		return ""
	}
	return n.String()
}
