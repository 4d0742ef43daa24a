package main

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"

	"enilab/internal/daemon"
	"enilab/netlab"
)

// evil clears the screen, names the window, writes over the line, and turns the direction of writing; C1 as a character and as a byte.
const evil = "evil\x1b[2J\x1b]0;owned\x07\roops\u009b31m\x9b31m\u202egnp"

// Whatever a daemon's answer holds, because a function, a server or a client wrote it: no verb lets it do anything to a terminal.
func TestNothingHappensToATerminal(t *testing.T) {
	word := func(v any) any { // as JSON has it, the byte becomes U+FFFD there
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return json.RawMessage(b)
	}
	table := func(what string) any {
		return word(daemon.Table{Schema: "enilab.inspect/v1", What: what, Columns: []string{"name", evil}, Rows: []map[string]any{{"name": evil + "\n\t", evil: []string{evil, evil}}}})
	}
	answers := map[string]any{
		"lab":                    word(daemon.Info{Name: evil, Listen: evil}),
		"inspect/rules?of=x":     table("rules"),
		"invoke":                 word(daemon.InvokeResult{Payload: daemon.NewPayload([]byte(`"evil` + "\u009b\u202e\x7f" + `"`)), Environment: evil, Log: evil, FunctionError: evil, Timeline: []daemon.Span{{Name: evil, Kind: evil}}}),
		"check":                  word(daemon.CheckReport{Found: []daemon.Finding{{Object: evil, Name: evil, Drift: netlab.Drift{Kind: evil, What: evil, Is: evil}}}}),
		"events":                 `{"reason":"evil` + "\u009b\u202e\x7f\x1b[2J" + `"}` + "\n",
		"logs/f?follow=false":    "2026-11-28T00:00:00.000Z f/1 " + evil + "\n",
		"logs/f?follow=true":     "2026-11-28T00:00:00.000Z f/1 " + evil + "\n",
		"mode":                   daemon.Failure{Message: evil, Usage: true},
		"nodes/" + "x":           daemon.Failure{Message: evil},
		"logs/none?follow=false": daemon.Failure{Message: evil},
	}
	verbs := []string{
		"inspect rules x", "inspect rules x --format json", "invoke f", "invoke f --log", "invoke f --format json", "check", "check --format json",
		"events", "logs f", "logs f -f", "logs none", "mode f shared", "list", "list --format json", "inspect functions", "validate evil\x1b[2J.lab.yml", "evil\x1b[2J", "logs --evil\x1b[2J",
	}
	for _, what := range daemon.Tables {
		answers["inspect/"+what] = table(what)
		verbs = append(verbs, "inspect "+what)
	}
	for _, args := range verbs {
		t.Run(args, func(t *testing.T) {
			c := newCaller(t)
			c.terminal = true
			c.serveLab(t, answers)
			r := c.call(strings.Fields(args)...)
			said := false
			for name, text := range map[string]string{"stdout": r.stdout, "stderr": r.stderr} {
				said = said || strings.Contains(text, "evil") || strings.HasPrefix(args, "list")
				for _, r := range text {
					if !unicode.IsGraphic(r) && r != '\n' && r != '\t' {
						t.Errorf("%s has %U: %q", name, r, text)
						break
					}
				}
			}
			if !said {
				t.Errorf("the test is blind: %+v", r)
			}
		})
	}

	// What is no terminal gets it as it came.
	c := newCaller(t)
	c.serveLab(t, answers)
	if r := c.call("logs", "f"); r.stdout != answers["logs/f?follow=false"] {
		t.Errorf("logs for a program: %q", r.stdout)
	}
	if r := c.call("events"); r.stdout != answers["events"] {
		t.Errorf("events for a program: %q", r.stdout)
	}
}

// Two processes of this program do not escape each other's words twice, and what writes a line over itself still can.
func TestDirect(t *testing.T) {
	var out, err strings.Builder
	s := streams{out: &out, err: &err, terminal: true}
	end := s.guard()
	if direct(s.out) != &out || s.out != &out || direct(s.err) != &err || s.err == &err {
		t.Errorf("%T %T", s.out, s.err)
	}
	progress(direct(s.err), 1, 3)
	s.err.Write([]byte("\r\xe2\x82")) //nolint:errcheck // a Builder takes everything
	end()
	if err.String() != "\rmeasuring: 1 of 3"+`\u000d\xe2\x82` {
		t.Errorf("%q", err.String())
	}
}
