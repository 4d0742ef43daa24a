package daemon

import (
	"context"
	"errors"
	"maps"
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

// moving is a lab before and after a change that ends two servers before it starts one of them, and only then the other, which is
// to be where the new subnet is.
const (
	unmoved = `vpcs:
  vpc-a:
    cidr: 10.0.0.0/16
    subnets: {subnet-a: 10.0.1.0/24, subnet-b: 10.0.2.0/24}
    securityGroups: {sg-a: {}}
    resources:
      first: {serve: whoami, subnet: subnet-b, securityGroups: [sg-a], address: 10.0.2.8}
      second: {serve: whoami, subnet: subnet-a, securityGroups: [sg-a]}
functions:
  f: {code: a.zip}
`
	moved = `vpcs:
  vpc-a:
    cidr: 10.0.0.0/16
    subnets: {subnet-a: 10.0.1.0/24, subnet-b: 10.0.2.0/24}
    securityGroups: {sg-a: {}}
    resources:
      first: {serve: whoami, subnet: subnet-a, securityGroups: [sg-a], address: 10.0.1.4}
      second: {serve: whoami, subnet: subnet-b, securityGroups: [sg-a]}
functions:
  f: {code: b.zip}
`
)

// What an apply has begun it carries through, though who asked for it has gone.
func TestWhoAskedMayGo(t *testing.T) {
	b := newBed(t, Settings{Internet: true})
	if a := b.up(t.Context(), unmoved, false); a.err != nil || len(a.failed) > 0 {
		t.Fatal(a)
	}
	ctx, leave := context.WithCancel(t.Context())
	var steps []string
	err := b.apply(ctx, ApplyRequest{File: "bed.lab.yml", Dir: b.dir, Topology: []byte(moved), Store: b.dir}, func(a Applied) {
		steps = append(steps, a.Change.Name+a.Error)
		leave()
	})
	if err != nil || !slices.Equal(steps, []string{"vpc-a/first", "vpc-a/second", "f"}) {
		t.Errorf("%v: %q", err, steps)
	}
	b.wantAs(t, moved)

	// One who had gone before has nothing made.
	if a := b.up(ctx, unmoved, false); !errors.Is(a.err, context.Canceled) || len(a.lines) > 0 {
		t.Errorf("%v: %q", a.err, a.lines)
	}
	b.wantAs(t, moved)
}

// A daemon that ends in the midst of an apply leaves records of which the next one makes servers that run, as they were to be;
// the next apply does the rest.
func TestDaemonEndsWithinApply(t *testing.T) {
	b := newBed(t, Settings{Internet: true})
	if a := b.up(t.Context(), unmoved, false); a.err != nil || len(a.failed) > 0 {
		t.Fatal(a)
	}
	var steps []string
	in := ApplyRequest{File: "bed.lab.yml", Dir: b.dir, Topology: []byte(moved), Store: b.dir}
	err := b.apply(t.Context(), in, func(a Applied) {
		steps = append(steps, a.Change.Name+a.Error)
		b.leave()
	})
	if !errors.Is(err, errEnds) || !slices.Equal(steps, []string{"vpc-a/first"}) {
		t.Errorf("%v: %q", err, steps)
	}
	if a := b.up(t.Context(), moved, false); a.err == nil || len(a.lines) > 0 {
		t.Errorf("a daemon that ends has begun %q: %v", a.lines, a.err)
	}

	// The next daemon.
	b.begin(t)
	records, err := b.resources.records.All()
	must(t, err)
	for _, key := range names(records) {
		record := records[key]
		if b.lab.Network.Resource(record.VPC, record.Spec.Name) == nil {
			_, err := b.resources.bring(t.Context(), &record)
			must(t, err)
			b.resources.watch(record, nil)
		}
	}
	at := map[string]string{}
	for _, r := range b.lab.Network.Resources() {
		must(t, r.Healthy(t.Context()))
		at[r.Name] = r.Spec.Subnet + " " + r.Interface.Address.String()
	}
	if want := map[string]string{"first": "subnet-a 10.0.1.4", "second": "subnet-b 10.0.2.4"}; !maps.Equal(at, want) {
		t.Errorf("servers are at %v, want %v", at, want)
	}
	a := b.up(t.Context(), moved, false)
	if a.err != nil || len(a.failed) > 0 || len(a.lines) != 1 || !strings.HasPrefix(a.lines[0], "change function f:") {
		t.Errorf("the next apply: %v: %q, failed %q", a.err, a.lines, a.failed)
	}
	b.wantAs(t, moved)
}
