package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// mistakes are what each verb is asked wrongly, and what it answers: a line that names the thing and the way out.
var mistakes = map[string][]struct {
	args string
	code int
	said []string
}{
	"": {
		{"demi", 2, []string{`unknown command "demi"`, `did you mean "demo"?`}},
		{"compre --runs 3", 2, []string{`unknown`, `--runs`}},
		{"xyzzy", 2, []string{`unknown command "xyzzy"`, "enilab --help"}},
		{"--verbose", 2, []string{"unknown flag: --verbose", "enilab --help"}},
	},
	"help": {
		{"help xyzzy", 2, []string{`"xyzzy"`}},
		{"help demo now", 2, []string{`"now"`}},
	},
	"completion": {
		{"completion", 2, []string{"bash", "zsh", "fish"}},
		{"completion tcsh", 2, []string{`"tcsh"`, "enilab completion --help"}},
	},
	"completion bash":       {{"completion bash please", 2, []string{`"please"`}}},
	"completion zsh":        {{"completion zsh please", 2, []string{`"please"`}}},
	"completion fish":       {{"completion fish please", 2, []string{`"please"`}}},
	"completion powershell": {{"completion powershell please", 2, []string{`"please"`}}},
	"demo": {
		{"demo --rnus 3", 2, []string{"unknown flag: --rnus", "did you mean --runs?", "enilab demo --help"}},
		{"demo -x", 2, []string{"-x", "enilab demo --help"}},
		{"demo now", 2, []string{`"now"`, "enilab demo --help"}},
		{"demo --runs", 2, []string{"--runs"}},
		{"demo --runs many", 2, []string{`--runs "many": give a whole number`}},
		{"demo --runs 0", 2, []string{"--runs 0", "1 to 1000"}},
		{"demo --runs 1001", 2, []string{"--runs 1001"}},
		{"demo --environments 0", 2, []string{"--environments 0", "1 to 50"}},
		{"demo --environments 51", 2, []string{"--environments 51"}},
		{"demo --burst 0", 2, []string{"--burst 0", "1 to 200"}},
		{"demo --burst 201", 2, []string{"--burst 201"}},
		{"demo --code ../functions/go.zip", 2, []string{`"../functions/go.zip"`}},
		{"demo --code=", 2, []string{"--code", "empty"}},
		{"demo --store /etc --code passwd", 2, []string{"passwd", "not a whole zip file", "zip -r"}},
		{"demo --store / --code etc", 3, []string{`"etc"`, "not a file"}},
		{"demo", 3, []string{`"go.zip"`, "/opt/enilab/functions", "make build"}},
	},
	"compare": {
		{"compare 3", 2, []string{`"3"`, "enilab compare --help"}},
		{"compare --runs 0", 2, []string{"--runs 0"}},
		{"compare --runs 100001", 2, []string{"--runs 100001", "100000"}},
		{"compare --runs 99999999999999999999", 2, []string{`--runs "99999999999999999999": that is more than`}},
		{"compare --burst -1", 2, []string{"--burst -1"}},
		{"compare --burst 1001", 2, []string{"--burst 1001", "1000"}},
		{"compare --runs 0 --burst -1", 2, []string{"--runs 0"}},
		{"compare --format xml", 2, []string{`"xml"`, "json"}},
		{"compare --store /nonexistent", 2, []string{"--store /nonexistent", "no such directory", "make build"}},
		{"compare --runs x", 2, []string{`--runs "x": give a whole number`}},
		{"compare --code none.zip", 3, []string{`"none.zip"`, "--code", "make build"}},
	},
	"bench": {
		{"bench now", 2, []string{`"now"`}},
		{"bench --scenario idel", 2, []string{`"idel"`, `did you mean "idle"?`}},
		{"bench --scenario xyzzy", 2, []string{`"xyzzy"`, "idle", "burst"}},
		{"bench --format xml", 2, []string{`"xml"`, "csv"}},
		{"bench --baseline /nonexistent", 2, []string{"--baseline", "/nonexistent"}},
		{`bench --scenario "idle`, 2, []string{`--scenario "\"idle": give names`}},
		{"bench --store /nonexistent", 2, []string{"--store /nonexistent", "no such directory"}},
		{"bench --store /etc/passwd", 2, []string{"--store /etc/passwd", "no such directory"}},
		{"bench", 3, []string{"make build"}},
	},
	"rollout": {
		{"rollout now", 2, []string{`"now"`}},
		{"rollout --steps ten", 2, []string{"--steps", "ten"}},
		{"rollout --rate 0", 2, []string{"--rate"}},
		{"rollout --from shared", 2, []string{"--from", "legacy"}},
		{"rollout --format xml", 2, []string{`"xml"`}},
		{"rollout --hold 5", 2, []string{`--hold "5": give a time with its unit`}},
		{"rollout --rate fast", 2, []string{`--rate "fast": give a number`}},
		{"rollout --seed -1", 2, []string{`--seed "-1": give a whole number, 0 or more`}},
		{"rollout --store /nonexistent", 2, []string{"--store /nonexistent", "no such directory"}},
		{"rollout", 3, []string{"make build"}},
	},
	"report": {
		{"report", 2, []string{"enilab bench --format json"}},
		{"report a.json", 2, []string{"-o report.html"}},
		{"report a.json -o b --format pdf", 2, []string{`"pdf"`, "svg"}},
		{"report a.json -o - --format svg", 2, []string{"directory"}},
		{"report /nonexistent -o -", 2, []string{"/nonexistent"}},
		{"report /nonexistent -o /absent/x.html", 2, []string{"--output /absent/x.html: no such file or directory"}},
		{"report /nonexistent -o /etc", 2, []string{"--output /etc: it is there, and not a file"}},
	},
	"doctor": {
		{"doctor all", 2, []string{`"all"`}},
		{"doctor --format csv", 2, []string{`"csv"`, "json"}},
	},
	"version": {{"version 2", 2, []string{`"2"`}}},
	"whoami": {
		{"whoami me", 2, []string{`"me"`}},
		{"whoami --listen here", 2, []string{`"here"`, "127.0.0.1:8080"}},
		{"whoami --listen 127.0.0.1:99999", 2, []string{`"127.0.0.1:99999"`}},
	},
	"up": {
		{"up now", 2, []string{`"now"`}},
		{"up --listen here", 2, []string{`"here"`, "127.0.0.1:4566"}},
		{"up --model azure", 2, []string{`"azure"`, "aws"}},
		{"up --time-scale 0", 2, []string{"0.1 to 1000000"}},
		{"up --time-scale NaN", 2, []string{"0.1 to 1000000"}},
		{"up --dry-run --foreground", 2, []string{"--dry-run", "--foreground"}},
		{"up --open --verify-signatures", 2, []string{"--open", "--verify-signatures"}},
		{"up --host http://lab:80", 2, []string{`"http://lab:80"`, "host.docker.internal"}},
		{"up --debug=maybe", 2, []string{`--debug "maybe": give true or false`}},
		{"up --store /nonexistent --dry-run", 2, []string{"--store /nonexistent", "no such directory"}},
		{"up --name X", 2, []string{`"X"`, "a-z"}},
		{"up --dry-run --listen 192.0.2.1:80", 1, []string{"192.0.2.1:80", "address of this machine"}},
		{"up -t /nonexistent.lab.yml", 2, []string{"/nonexistent.lab.yml"}},
	},
	"down": {
		{"down now", 2, []string{`"now"`}},
		{"down --name X", 2, []string{`"X"`, "a-z"}},
		{"down --all --name lab", 2, []string{"--all", "--name"}},
	},
	"validate": {
		{"validate /nonexistent.lab.yml", 2, []string{"/nonexistent.lab.yml"}},
		{"validate", 2, []string{"*.lab.yml", "name one"}},
		{"validate -t a.lab.yml b.lab.yml", 2, []string{"-t", "arguments"}},
		{"validate --format xml", 2, []string{`"xml"`, "json"}},
		{"validate /dev/fd", 2, []string{"*.lab.yml", "/dev/fd"}},
	},
	"list": {
		{"list all", 2, []string{`"all"`}},
		{"list --format xml", 2, []string{`"xml"`, "json"}},
	},
	"env": {
		{"env all", 2, []string{`"all"`}},
		{"env --format csv", 2, []string{`"csv"`, "json"}},
		{"env", 1, []string{"no lab"}},
	},
	"invoke": {
		{"invoke", 2, []string{"a function", "enilab invoke --help"}},
		{"invoke f g", 2, []string{"a function"}},
		{"invoke f --payload {", 2, []string{"--payload", "JSON"}},
		{"invoke f --payload @/nonexistent", 2, []string{"/nonexistent"}},
		{"invoke f --payload -", 2, []string{"--payload", "JSON"}},
		{"invoke f --format xml", 2, []string{`"xml"`}},
		{"invoke f", 1, []string{"there is no lab", "enilab up"}},
		{"invoke f --name none", 1, []string{`no lab "none"`, "enilab list"}},
	},
	"inspect": {
		{"inspect wires", 2, []string{"functions", "enilab inspect --help"}},
		{"inspect nodes enis", 2, []string{"functions"}},
		{"inspect enis vpc-a", 2, []string{"rules and any VPCs and ENIs"}},
		{"inspect --format csv", 2, []string{`"csv"`}},
		{"inspect", 1, []string{"there is no lab"}},
		{"inspect --name none", 1, []string{`no lab "none"`}},
	},
	"check": {
		{"check vpc-a", 2, []string{`"vpc-a"`, "enilab check --help"}},
		{"check --format csv", 2, []string{`"csv"`, "json"}},
		{"check", 1, []string{"there is no lab", "enilab up"}},
		{"check --name none", 1, []string{`no lab "none"`}},
	},
	"mode": {
		{"mode f", 2, []string{"a function and a mode"}},
		{"mode f share", 2, []string{`"share"`, "legacy-inplace"}},
		{"mode f shared", 1, []string{"there is no lab"}},
	},
	"exec": {
		{"exec", 2, []string{"a node", "--"}},
		{"exec vpc-a ip link", 2, []string{"a node", "--"}},
		{"exec vpc-a -- true", 1, []string{"there is no lab"}},
		{"exec --name none vpc-a -- true", 1, []string{`no lab "none"`}},
	},
	"shell": {
		{"shell", 2, []string{"a node"}},
		{"shell vpc-a", 1, []string{"there is no lab"}},
	},
	"events": {
		{"events now", 2, []string{`"now"`}},
		{"events --format table", 2, []string{`"table"`, "json"}},
		{"events", 1, []string{"there is no lab"}},
	},
	"logs": {
		{"logs", 2, []string{"a function"}},
		{"logs f", 1, []string{"there is no lab"}},
		{"logs f --name none", 1, []string{`no lab "none"`}},
	},
	"gc": {{"gc now", 2, []string{`"now"`}}},
}

func TestMistakes(t *testing.T) {
	t.Chdir(t.TempDir()) // no topology in it
	for verb := range verbs() {
		if len(mistakes[verb]) == 0 {
			t.Errorf("%q has no row in mistakes", verb)
		}
	}
	for _, rows := range mistakes {
		for _, r := range rows {
			t.Run(r.args, func(t *testing.T) { newCaller(t).call(strings.Fields(r.args)...).wantLine(t, r.code, r.said...) })
		}
	}
}

// A flag that is misspelled is asked about, whichever it is.
func TestMisspelledFlags(t *testing.T) {
	for words, verb := range verbs() {
		verb.Flags().VisitAll(func(f *pflag.Flag) {
			if len(f.Name) < 4 {
				return
			}
			wrong := "--" + f.Name[:1] + f.Name[2:3] + f.Name[1:2] + f.Name[3:] // two letters swapped
			if verb.Flags().Lookup(wrong[2:]) == nil {
				t.Run(words+wrong, func(t *testing.T) {
					newCaller(t).call(append(strings.Fields(words), wrong+"=1")...).wantLine(t, 2, "unknown flag", "did you mean --"+f.Name+"?", "--help")
				})
			}
		})
	}
}

// A flag that is given and empty, as where a shell's variable is not set, is not one that was left out: that could be another lab.
func TestEmptyFlags(t *testing.T) {
	takes := map[string]string{"invoke": "f", "logs": "f", "mode": "f shared", "exec": "vpc-a -- true", "shell": "vpc-a", "report": "bench.json"}
	n := 0
	for words, verb := range verbs() {
		verb.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Value.Type() != "string" {
				return
			}
			n++
			t.Run(words+" --"+f.Name, func(t *testing.T) {
				args := append(append(strings.Fields(words), "--"+f.Name+"="), strings.Fields(takes[words])...)
				newCaller(t).call(args...).wantLine(t, 2, "--"+f.Name, "empty")
			})
		})
	}
	if n < 20 {
		t.Errorf("the test is blind: it sees %d flags", n)
	}
}

// Help is an interface: what it says changes on purpose, with go test ./cmd/enilab -update.
func TestHelp(t *testing.T) {
	const dir = "testdata/help"
	files := map[string]bool{}
	for words, verb := range verbs() {
		if words == "help" || verb.HasParent() && verb.Parent().Name() == "completion" || words == "completion" {
			continue // cobra's own words
		}
		name := "enilab"
		if words != "" {
			name = strings.ReplaceAll(words, " ", "-")
		}
		files[name+".txt"] = true
		t.Run(name, func(t *testing.T) { golden(t, filepath.Join(dir, name+".txt"), help(t, verb, words)) })
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !files[e.Name()] {
			t.Errorf("%s is the help of no verb", e.Name())
		}
	}
}

func help(t *testing.T, verb *cobra.Command, words string) string {
	r := newCaller(t).call(append(strings.Fields(words), "--help")...)
	r.want(t, 0, []string{"Usage:\n  " + verb.CommandPath()}, nil)
	if other := newCaller(t).call(append([]string{"help"}, strings.Fields(words)...)...); words != "" && other != r {
		t.Errorf("help %s and %s --help differ", words, words)
	}
	if r.stderr != "" || strings.Contains(r.stdout, "__lab") {
		t.Errorf("it is for people, on stdout alone: %s", r.stderr)
	}
	return r.stdout
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || string(want) != got {
		t.Errorf("not as %s has it (%v; -update writes it anew):\n%s", file, err, got)
	}
}
