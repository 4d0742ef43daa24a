package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestAdaptKeepsWhatTheRuntimeChose(t *testing.T) {
	const config = `{"ociVersion": "1.0.0", "process": {"terminal": true, "args": ["sh"], "noNewPrivileges": true},
		"root": {"path": "rootfs", "readonly": true},
		"linux": {"namespaces": [{"type": "pid"}, {"type": "network"}], "maskedPaths": ["/proc/kcore"]}}`
	text, err := adapt([]byte(config), "crun-pooled", "/group/crun-pooled")
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Process struct {
			Terminal        bool
			Args, Env       []string
			NoNewPrivileges bool
		}
		Root  struct{ Readonly bool }
		Linux struct {
			Namespaces  []namespace
			MaskedPaths []string
			CgroupsPath string
		}
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	p, l := got.Process, got.Linux
	if p.Terminal || p.Args[0] != "/var/task/bootstrap" || !strings.Contains(strings.Join(p.Env, " "), "AWS_LAMBDA_RUNTIME_API=127.0.0.1:9001") {
		t.Errorf("process: %+v", p)
	}
	if !p.NoNewPrivileges || !got.Root.Readonly || len(l.MaskedPaths) != 1 {
		t.Errorf("lost something: %s", text)
	}
	if l.Namespaces[0] != (namespace{Type: "pid"}) || l.Namespaces[1] != (namespace{"network", "/run/netns/crun-pooled"}) || l.CgroupsPath != "/group/crun-pooled" {
		t.Errorf("linux: %+v", l)
	}
	if _, err := adapt([]byte(`{"process": {}}`), "x", "/x"); err == nil {
		t.Error("a configuration without linux was taken")
	}
}
