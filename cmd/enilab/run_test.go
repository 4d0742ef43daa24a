package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"enilab/internal/daemon"
	"enilab/internal/realm"
	"enilab/internal/topology"
	"enilab/netlab"
)

// What verbs answer on a machine without a lab.
func TestWithoutLab(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	good := write(t, dir, "good.lab.yml", "vpcs: {vpc-a: {cidr: 10.0.0.0/16, subnets: {subnet-a: 10.0.1.0/24}}}\nroles: {lab-role: {}}\n")
	bad := write(t, dir, "bad.lab.yml", "vpcs:\n  vpc-a: {cider: 10.0.0.0/16}\n")
	cannot := write(t, dir, "cannot.lab.yml", `vpcs: {vpc-a: {cidr: 10.0.0.0/16, subnets: {subnet-a: 10.0.1.0/24}, securityGroups: {sg-a: {}}}}
roles: {weak: {}}
functions:
  f:
    code: ./cannot.lab.yml
    environment:
      AWS_REGION: x
      LAMBDA_TASK_ROOT: y
  g: {code: ./good.lab.yml, environment: {LONG: `+strings.Repeat("x", 5000)+`}}
  h: {code: ./good.lab.yml, concurrency: 5000}
  i: {code: ./good.lab.yml, role: weak, vpc: {subnets: [subnet-a], securityGroups: [sg-a]}}
  j: {code: ./none.zip}
`)
	for _, c := range []struct {
		args, stdin    string
		code           int
		stdout, stderr []string
	}{
		{"", "", 0, []string{"Usage:", "\n  demo "}, nil},
		{"version", "", 0, []string{"enilab devel (go", "linux/"}, nil},
		{"help", "", 0, []string{"Usage:"}, nil},
		{"up --help", "", 0, []string{"Usage:"}, nil},
		{"completion bash", "", 0, []string{"complete -o"}, nil},
		{"completion zsh", "", 0, []string{"#compdef enilab"}, nil},
		{"completion fish", "", 0, []string{"complete -c enilab"}, nil},
		{"completion powershell", "", 0, []string{"Register-ArgumentCompleter"}, nil},
		{"__complete com", "", 0, []string{"compare", "completion"}, nil},
		{"__complete inspect en", "", 0, []string{"enis"}, nil},
		{"list", "", 0, nil, []string{"There is no lab", "enilab up"}},
		{"ls", "", 0, nil, []string{"There is no lab"}},
		{"down", "", 0, []string{"nothing to do"}, nil},
		{"down --all", "", 0, nil, nil},
		{"down --name none", "", 0, []string{"nothing to do"}, nil},
		{"validate " + good, "", 0, []string{good, "1 VPC, 0 resources, 1 role, 0 functions"}, nil},
		{"validate -t " + good, "", 0, []string{good}, nil},
		{"validate -", "vpcs: {}\n", 0, []string{"stdin is valid"}, nil},
		{"validate -", "vpc: {}\n", 2, nil, []string{"stdin:1:1", `"vpcs"`}},
		{"validate " + bad, "", 2, nil, []string{"bad.lab.yml:2:11", `"cidr"`}},
		{"validate .", "", 2, []string{"good.lab.yml is valid"}, []string{"bad.lab.yml:2:11", `"cidr"`}},
		{"validate", "", 2, []string{"good.lab.yml is valid"}, []string{"bad.lab.yml:2:11"}},
		{"validate " + bad + " - " + good + " /nonexistent.lab.yml", "vpc: {}\n", 2, []string{good + " is valid"}, []string{"bad.lab.yml:2:11", "stdin:1:1", "/nonexistent.lab.yml: no such file"}},
		{"validate " + good + " " + good, "", 0, []string{good}, nil},
		{"validate --format json " + good, "", 0, []string{`"schema": "enilab.validate/v1"`, `"valid": true`, `"vpcs": 1`}, nil},
		{"validate --format json -", "vpc: {}\n", 2, []string{`"file": "stdin"`, `"valid": false`, `"line": 1`, `"message": "unknown key \"vpc\"`}, nil},
		{"validate --format json /nonexistent.lab.yml", "", 2, []string{`"message": "open /nonexistent.lab.yml: no such file or directory"`}, nil},
		{"validate " + cannot, "", 2, nil, []string{
			"cannot.lab.yml:7:19: function f: ", "Reserved keys used in this request: AWS_REGION", "cannot.lab.yml:8:25: function f: ", ": LAMBDA_TASK_ROOT",
			"cannot.lab.yml:9:29: function g: ", "too long together", "cannot.lab.yml:10:42: function h: ", "reserve 5000 together",
			"cannot.lab.yml:11:35: function i: ", "permissions to call CreateNetworkInterface", "cannot.lab.yml:12:13: there is no ",
		}},
		{"up --dry-run -t " + good, "", 0, []string{"would create vpc vpc-a", "would create subnet subnet-a", "would create role lab-role"}, nil},
		{"up --dry-run -t " + bad, "", 2, nil, []string{"bad.lab.yml:2:11"}},
		{"up --dry-run --name mine -t -", "", 0, nil, nil},
	} {
		t.Run(c.args, func(t *testing.T) {
			caller := newCaller(t)
			caller.stdin = c.stdin
			caller.call(strings.Fields(c.args)...).want(t, c.code, c.stdout, c.stderr)
			if c.stdout != nil {
				caller.wantLoss(t, c.code, strings.Fields(c.args)...)
			}
		})
	}
}

// JSON goes to stdout alone, names its schema, and is the same document whichever way it is read.
func TestJSON(t *testing.T) {
	for args, schema := range map[string]string{"version --json": "enilab.version/v1", "list --format json": "enilab.list/v1"} {
		r := newCaller(t).call(strings.Fields(args)...)
		var doc struct{ Schema string }
		if err := json.Unmarshal([]byte(r.stdout), &doc); err != nil || doc.Schema != schema || r.stderr != "" || r.code != 0 {
			t.Errorf("%s: %v; %+v", args, err, r)
		}
	}
}

// Whoever interrupts is told so, and gets the exit code of the shells.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errInterrupted)
	c := newCaller(t)
	c.Context = ctx
	for _, args := range []string{"whoami --listen 127.0.0.1:0"} {
		c.call(strings.Fields(args)...).wantLine(t, exitInterrupted, "interrupted")
	}
}

// What this machine lacks has one exit code, wherever it was found: a keeper that ends for it has that code itself.
func TestPrecondition(t *testing.T) {
	for _, c := range []struct {
		err  error
		want bool
	}{
		{fmt.Errorf("realm: %w", realm.ErrNoRights), true},
		{realm.ErrChroot, true},
		{fmt.Errorf("realm: keeper of lab: %w", &realm.EndedError{Code: exitPrecondition}), true},
		{fmt.Errorf("realm: keeper of lab: %w", &realm.EndedError{Code: exitFailed}), false},
		{errInterrupted, false},
	} {
		if isPrecondition(c.err) != c.want {
			t.Errorf("%v: want %t", c.err, c.want)
		}
	}
}

// serveLab has a daemon of the lab "lab" answer each path, without /v1/, with a body; a Failure fails.
func (c *caller) serveLab(t *testing.T, answers map[string]any) {
	place, err := c.env.roots.Of("lab")
	if err != nil {
		t.Fatal(err)
	}
	if err := place.Make(); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", place.Socket())
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, ok := answers[strings.TrimPrefix(r.URL.RequestURI(), "/v1/")]
		if !ok {
			answer = daemon.Failure{Message: "no answer to " + r.URL.RequestURI()}
		}
		if f, ok := answer.(daemon.Failure); ok {
			w.WriteHeader(http.StatusBadRequest)
			answer = f
		}
		if text, ok := answer.(string); ok {
			fmt.Fprint(w, text)
			return
		}
		lines := json.NewEncoder(w)
		lines.SetEscapeHTML(false)
		_ = lines.Encode(answer) // the client's test fails without
	})}
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(l) }()
	t.Cleanup(func() { server.Close(); <-served })
}

// What verbs make of a daemon's answers.
func TestWithLab(t *testing.T) {
	table := daemon.Table{Schema: "enilab.inspect/v1", Columns: []string{"function", "state", "subnets"}, Rows: []map[string]any{
		{"function": "f\x1b[2J", "state": "Active", "subnets": []string{"subnet-a", "subnet-b"}}, {"function": "g", "state": ""},
	}}
	ok := daemon.InvokeResult{
		Schema: "enilab.invoke/v1", Payload: daemon.NewPayload([]byte(`{"a":1}`)), Environment: "f/1", Log: "START\tf\n", Total: 1500,
		Timeline: []daemon.Span{{Name: "attach", Kind: "measured", Took: 30}, {Name: "init", Kind: "modelled", Took: 2_000_000}, {Name: "part", Of: "init"}},
	}
	failed := ok
	failed.FunctionError = "Unhandled"
	markup, text := ok, ok
	markup.Payload = daemon.NewPayload([]byte(`{"html": "<b>&` + "\u2028" + `"}`))
	text.Payload = daemon.NewPayload([]byte("<b>& no JSON"))
	rules := daemon.Table{Schema: "enilab.inspect/v1", What: "rules", Columns: []string{"of", "rule", "packets"}, Rows: []map[string]any{{"of": "vpc-a", "rule": "sg-web", "packets": 12}}}
	rule := daemon.Finding{Object: "vpc", Name: "vpc-a", Drift: netlab.Drift{Kind: "rule", What: "filter: -A in-16 -j DROP", Is: "missing"}}
	route := daemon.Finding{Object: "vpc", Name: "vpc-a", Drift: netlab.Drift{Kind: "route", What: "10.0.0.4 over eni-a", Is: "missing"}}
	drifted := daemon.CheckReport{Schema: "enilab.check/v1", Checked: 2, Found: []daemon.Finding{rule, route}}
	for _, c := range []struct {
		args           string
		answers        map[string]any
		code           int
		stdout, stderr []string
	}{
		{"inspect functions", map[string]any{"inspect/functions": table}, 0, []string{"FUNCTION", "subnet-a,subnet-b", `f\u001b[2J`, "g           -       -"}, nil},
		{"inspect functions --format json", map[string]any{"inspect/functions": table}, 0, []string{`"schema": "enilab.inspect/v1"`}, nil},
		{"inspect enis", map[string]any{"inspect/enis": daemon.Failure{Message: "the lab is ill"}}, 1, nil, []string{"enilab: the lab is ill\n"}},
		{"inspect rules", map[string]any{"inspect/rules": rules}, 0, []string{"OF     RULE    PACKETS\nvpc-a  sg-web  12\n"}, nil},
		{"inspect rules vpc-a eni-b --format json", map[string]any{"inspect/rules?of=vpc-a&of=eni-b": rules}, 0, []string{`"packets": 12`}, nil},
		{"inspect rules vpc-c", map[string]any{"inspect/rules?of=vpc-c": daemon.Failure{Message: `there is no VPC and no ENI "vpc-c"`, Usage: true}}, 2, nil, []string{`"vpc-c"`}},
		{"check", map[string]any{"check": daemon.CheckReport{Checked: 2}}, 0, []string{"as the lab's state says: 2 objects checked"}, nil},
		{"check", map[string]any{"check": drifted}, 4, []string{"OBJECT", "vpc vpc-a  rule", "missing  filter: -A in-16 -j DROP"}, []string{"2 things differ", "'enilab up' mends that"}},
		{"check --format json", map[string]any{"check": drifted}, 4, []string{`"schema": "enilab.check/v1"`, `"what": "10.0.0.4 over eni-a"`}, []string{"2 things differ"}},
		{"check", map[string]any{"check": daemon.Failure{Message: "iptables: not found"}}, 1, nil, []string{"iptables: not found"}},
		{"invoke f", map[string]any{"invoke": ok}, 0, []string{`{"a":1}`}, []string{"f/1: attach 30 µs, init 2.00 s (modelled); 1.5 ms measured"}},
		{"invoke f --log", map[string]any{"invoke": ok}, 0, nil, []string{"START\tf\n"}},
		{"invoke f --format json", map[string]any{"invoke": ok}, 0, []string{`"total_us": 1500`}, nil},
		{"invoke f", map[string]any{"invoke": failed}, 1, []string{`{"a":1}`}, []string{"function f failed: Unhandled"}},
		{"invoke f", map[string]any{"invoke": markup}, 0, []string{`{"html": "<b>&` + "\u2028" + `"}` + "\n"}, nil},
		{"invoke f --format json", map[string]any{"invoke": markup}, 0, []string{`"html": "<b>&`}, nil},
		{"invoke f", map[string]any{"invoke": text}, 0, []string{"<b>& no JSON\n"}, nil},
		{"invoke f --format json", map[string]any{"invoke": text}, 0, []string{`"payload": "<b>& no JSON",`}, nil},
		{"invoke none", map[string]any{"invoke": daemon.Failure{Message: "no such function", Usage: true}}, 2, nil, []string{"no such function"}},
		{"mode f shared", map[string]any{"mode": nil}, 0, []string{"f is shared now."}, nil},
		{"events", map[string]any{"events": "{\"seq\":1}\n"}, 0, []string{`{"seq":1}`}, nil},
		{"logs f", map[string]any{"logs/f?follow=false": "said\n"}, 0, []string{"said\n"}, nil},
		{"logs f -f", map[string]any{"logs/f?follow=true": "said\n"}, 0, []string{"said\n"}, nil},
		{"list", nil, 0, []string{"lab", "down", " -     -          - "}, nil},
		{"exec vpc-a -- true", nil, 1, nil, []string{"lab lab is down", "enilab up"}},
		{"shell vpc-a", nil, 1, nil, []string{"lab lab is down"}},
		{"up --dry-run", nil, 0, []string{"would make an empty lab"}, nil},
	} {
		t.Run(c.args, func(t *testing.T) {
			caller := newCaller(t)
			caller.serveLab(t, c.answers)
			t.Chdir(t.TempDir())
			caller.call(strings.Fields(c.args)...).want(t, c.code, c.stdout, c.stderr)
			if c.stdout != nil {
				caller.wantLoss(t, c.code, strings.Fields(c.args)...)
			}
		})
	}
}

// A topology that happens to lie where somebody brings a lab back does not make another lab of it; who says that it is meant, may.
func TestAnothersTopology(t *testing.T) {
	c := newCaller(t)
	c.serveLab(t, nil) // the lab "lab"
	dir := t.TempDir()
	t.Chdir(dir)
	write(t, dir, "h1.lab.yml", "name: h1\nvpcs: {vpc-a: {cidr: 10.0.0.0/16}}\n")
	for _, more := range []string{"", " --dry-run"} {
		c.call(strings.Fields("up --name lab"+more)...).wantLine(t, 2, "lab lab is there", "h1.lab.yml", "lab h1's", "-t h1.lab.yml", "cd / && enilab up --name lab")
	}
	c.call(strings.Fields("up --name lab --dry-run -t h1.lab.yml")...).want(t, 0, []string{"would create vpc vpc-a"}, nil)
	c.call(strings.Fields("up --name new --dry-run")...).want(t, 0, []string{"would create vpc vpc-a"}, nil)
	write(t, dir, "h1.lab.yml", "name: lab\nvpcs: {vpc-a: {cidr: 10.0.0.0/16}}\n")
	c.call(strings.Fields("up --name lab --dry-run")...).want(t, 0, []string{"would create vpc vpc-a"}, nil)
	write(t, dir, "h2.lab.yml", "name: h2\n")
	c.call(strings.Fields("up --name lab --dry-run")...).want(t, 0, []string{"would make an empty lab"}, []string{"none of the topologies here is taken", "-t"})
	for _, args := range []string{"up --dry-run", "up --name new --dry-run", "up --name lab --dry-run -t ."} {
		c.call(strings.Fields(args)...).wantLine(t, 2, "several topologies, name one: h1.lab.yml, h2.lab.yml")
	}
}

// What a run could not listen on a dry run refuses, too.
func TestDryRunTriesTheAddress(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	t.Chdir(t.TempDir())
	c := newCaller(t)
	args := []string{"up", "--dry-run", "--listen", l.Addr().String()}
	c.call(args...).wantLine(t, 1, "address already in use", "--listen")
	c.serveLab(t, nil)
	c.call(args...).wantLine(t, 1, "address already in use", "--listen")
}

// A lab is called after its topology's file only where that is called as topologies are.
func TestLabName(t *testing.T) {
	for file, want := range map[string]string{"x/kiosk.lab.yml": "kiosk", "stdin": "lab", "/dev/null": "lab", "/dev/fd/63": "lab", "kiosk.yml": "lab"} {
		top, err := topology.Parse(file, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := (&declared{Topology: top, file: file}).labName(""); got != want {
			t.Errorf("%s: %q, want %q", file, got, want)
		}
	}
	dir := t.TempDir()
	newCaller(t).call("up", "--dry-run", "-t", write(t, dir, "My Lab.lab.yml", "")).wantLine(t, 2, `"My Lab"`, "called after", "--name")
}

// Without a daemon the verbs say so, and how to have one again.
func TestDaemonDown(t *testing.T) {
	c := newCaller(t)
	place, err := c.env.roots.Of("lab")
	if err == nil {
		err = place.Make()
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range []string{"inspect", "inspect rules", "check", "invoke f", "logs f", "events", "mode f shared"} {
		t.Run(args, func(t *testing.T) {
			c.call(strings.Fields(args)...).wantLine(t, 1, "lab lab: its daemon does not run", "enilab up")
		})
	}
	other, err := c.env.roots.Of("other")
	if err == nil {
		err = other.Make()
	}
	if err != nil {
		t.Fatal(err)
	}
	c.call("inspect").wantLine(t, 2, "several labs (lab, other)", "--name")
}
