package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func itoa(n int) string { return strconv.Itoa(n) }

type check struct{ Name, Status, Detail, Fix string }

func TestDoctor(t *testing.T) {
	asEach(t, func(t *testing.T, who identity) {
		keepsMachine(t, who)
		r := who.command("doctor", "--format", "json").do(t).want(t, 0)
		var doc struct {
			Schema string
			Checks []check
		}
		d := json.NewDecoder(strings.NewReader(r.stdout))
		d.DisallowUnknownFields()
		if err := d.Decode(&doc); err != nil || d.More() || doc.Schema != "enilab.doctor/v1" || r.stderr != "" {
			t.Fatalf("%v; %v", err, r)
		}
		names := map[string]check{}
		for _, c := range doc.Checks {
			names[c.Name] = c
			if c.Status == "fail" || c.Status == "warn" && c.Fix == "" && !who.contained {
				t.Errorf("%+v", c)
			}
		}
		for _, want := range []string{"rights", "iptables-restore", "redis-server", "limits of environments", "network namespaces", "vxlan with a VNI per entry", "netfilter SNAT", "seccomp"} {
			if names[want].Status == "" {
				t.Errorf("nothing is said of %q", want)
			}
		}
		if limits := names["limits of environments"].Status; (limits == "ok") == who.noGroups {
			t.Errorf("limits of environments: %q", limits)
		}
		table := who.command("doctor").do(t).want(t, 0)
		for _, c := range doc.Checks {
			if !strings.Contains(table.stdout, fmt.Sprintf("%-4s  %s", c.Status, c.Name)) {
				t.Errorf("the table has no line for %+v:\n%s", c, table.stdout)
			}
		}
	})
}

func TestVersion(t *testing.T) {
	who := identities(t)[0]
	var v struct{ Schema, Version, Go, Platform string }
	out := who.command("version", "--json").do(t).want(t, 0).stdout
	if err := json.Unmarshal([]byte(out), &v); err != nil || v.Schema != "enilab.version/v1" || v.Version == "" || v.Go == "" || v.Platform == "" {
		t.Errorf("%v: %s", err, out)
	}
	if line := who.command("version").do(t).want(t, 0).stdout; !strings.HasPrefix(line, "enilab "+v.Version+" ") || strings.Count(line, "\n") != 1 {
		t.Errorf("version %q, in JSON %q", line, v.Version)
	}
}

func TestHelp(t *testing.T) {
	who := identities(t)[0]
	overview := who.command().do(t).want(t, 0)
	if again := who.command("--help").do(t).want(t, 0); again.stdout != overview.stdout {
		t.Errorf("without a verb: %s\nwith --help: %s", overview.stdout, again.stdout)
	}
	for _, verb := range []string{"demo", "compare", "doctor", "version", "whoami", "completion"} {
		if !strings.Contains(overview.stdout, "\n  "+verb+" ") {
			t.Errorf("the overview does not name %s:\n%s", verb, overview.stdout)
		}
		r := who.command(verb, "--help").do(t).want(t, 0)
		if !strings.Contains(r.stdout, "Usage:\n  enilab "+verb) || r.stderr != "" {
			t.Errorf("help of %s: %v", verb, r)
		}
		if other := who.command("help", verb).do(t).want(t, 0); other.stdout != r.stdout {
			t.Errorf("help %s and %s --help differ", verb, verb)
		}
	}
	if strings.Contains(overview.stdout, "__lab") {
		t.Error("the overview shows what is not for people")
	}
}

func TestCompletion(t *testing.T) {
	who := identities(t)[0]
	for shell, want := range map[string]string{"bash": "complete -", "zsh": "#compdef enilab", "fish": "complete -c enilab", "powershell": "Register-ArgumentCompleter"} {
		r := who.command("completion", shell).do(t).want(t, 0)
		if !strings.Contains(r.stdout, want) || r.stderr != "" {
			t.Errorf("%s: no completion script: %v", shell, r)
		}
		path, err := exec.LookPath(shell)
		if err != nil {
			continue
		}
		syntax := exec.Command(path, "-n", "/dev/stdin")
		syntax.Stdin = strings.NewReader(r.stdout)
		if out, err := syntax.CombinedOutput(); shell != "powershell" && err != nil {
			t.Errorf("%s does not understand its script: %v: %s", shell, err, out)
		}
	}
	if out := who.command("__complete", "com").do(t).stdout; !strings.Contains(out, "compare") {
		t.Errorf("com is not completed: %s", out)
	}
}

func TestWhoami(t *testing.T) {
	asEach(t, func(t *testing.T, who identity) {
		keepsMachine(t, who)
		taken, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		address := taken.Addr().String()
		who.command("whoami", "--listen", address).do(t).wantLine(t, 1, address, "address already in use", "--listen")
		taken.Close()

		r := who.command("whoami", "--listen", address).start(t)
		var conn net.Conn
		if !r.until(t, "it listens", func() bool { conn, err = net.Dial("tcp4", address); return err == nil }) {
			t.Fatal(r.result(t))
		}
		client := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }, DisableKeepAlives: true}}
		response, err := client.Get("http://" + address + "/any/path?it=likes")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		var seen struct{ Client, Server string }
		if err != nil || json.Unmarshal(body, &seen) != nil || seen.Client != conn.LocalAddr().String() || seen.Server != address {
			t.Errorf("%v, %q; want client %s, server %s", err, body, conn.LocalAddr(), address)
		}
		r.signal(t, true, syscall.SIGINT)
		r.result(t).want(t, 130)
	})
}
