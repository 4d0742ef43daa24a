package daemon

import (
	"slices"
	"strings"
	"testing"
)

// A step that fails in spite of the plan keeps those from being tried that hang on it, and no others. What was asked for
// stays asked for: the next apply goes on from there.
func TestAStepThatFails(t *testing.T) {
	b := newBed(t, Settings{Internet: true})
	const network = `vpcs:
  vpc-a:
    cidr: 10.0.0.0/16
    subnets: {SUBNET}
    securityGroups: {sg-a: {}}
    resources: {server: {COMMAND, subnet: IN, securityGroups: [sg-a]}}
functions: {FUNCTION}
`
	text := func(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(network) }
	first := text("SUBNET", "subnet-a: 10.0.1.0/24", "COMMAND", "serve: whoami", "IN", "subnet-a", "FUNCTION", "f: {code: a.zip}")
	if a := b.up(t.Context(), first, false); a.err != nil || len(a.failed) > 0 {
		t.Fatal(a)
	}
	broken := text("SUBNET", "subnet-b: 10.0.2.0/24", "COMMAND", "command: [/bin/false], health: {port: 80}", "IN", "subnet-b", "FUNCTION", "g: {code: a.zip}")
	a := b.up(t.Context(), broken, false)
	want := []string{"delete function f", "create subnet subnet-b", "change resource vpc-a/server", "create function g", "delete subnet subnet-a"}
	for i, l := range a.lines {
		a.lines[i], _, _ = strings.Cut(l, ":")
	}
	if a.err != nil || !slices.Equal(a.lines, want) {
		t.Errorf("%v\n%s", a.err, strings.Join(a.lines, "\n"))
	}
	if len(a.failed) != 2 || !strings.HasPrefix(a.failed[0], "change resource vpc-a/server: ") || a.failed[1] != "delete subnet subnet-a: it was not tried, because of resource vpc-a/server" {
		t.Errorf("failed: %s", strings.Join(a.failed, "\n"))
	}
	if list := b.lab.Lambda.ListFunctions(); len(list) != 1 || list[0].FunctionName != "g" {
		t.Errorf("what did not hang on it was not made: %v", list)
	}
	mended := strings.Replace(broken, "command: [/bin/false], health: {port: 80}", "serve: whoami", 1)
	if a := b.up(t.Context(), mended, false); a.err != nil || len(a.failed) > 0 {
		t.Errorf("%v\n%s", a.err, strings.Join(a.failed, "\n"))
	}
	b.wantAs(t, mended)
}

// What takes from each other what it needs can do so.
func TestExchange(t *testing.T) {
	b := newBed(t, Settings{Internet: true})
	const text = `vpcs:
  vpc-a:
    cidr: 10.0.0.0/16
    subnets: {subnet-a: 10.0.1.0/24}
    securityGroups: {sg-a: {ingress: [tcp 80 from sg-b]}, sg-b: {ingress: [tcp 80 from sg-a]}}
    resources:
      one: {serve: whoami, subnet: subnet-a, securityGroups: [sg-a], address: 10.0.1.8}
      two: {serve: whoami, subnet: subnet-a, securityGroups: [sg-a], address: 10.0.1.9}
functions:
  f: {code: a.zip, concurrency: 800}
  g: {code: a.zip, concurrency: 100}
`
	other := strings.NewReplacer("1.8", "1.9", "1.9", "1.8", "800", "100", "y: 100", "y: 800", "subnet-a", "subnet-b").Replace(text)
	swapped := strings.NewReplacer("1.8", "1.9", "1.9", "1.8", "800", "100", "y: 100", "y: 800").Replace(text)
	for _, next := range []string{text, swapped, text, "vpcs: {}", other} {
		if a := b.up(t.Context(), next, false); a.err != nil || len(a.failed) > 0 {
			t.Fatalf("%v\n%s\nof:\n%s", a.err, strings.Join(a.failed, "\n"), next)
		}
		b.wantAs(t, next)
	}
}
