package sandbox

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheckInterpreter(t *testing.T) {
	code, layers := t.TempDir(), t.TempDir()
	for name, text := range map[string]string{
		"elf": "\x7fELF", "sh": "#!/bin/sh\n", "spaces": "#! \t/usr/bin/env  bash -e\n", "empty": "", "no name": "#!\n", "no newline": "#!/proc/self/exe",
		"self": "#!/proc/self/exe demo\n", "dots": "#!/usr/../proc/1/exe\n", "slashes": "#!//proc//self/exe\n", "tab": "#!/proc/self/exe\tx\n",
		"fd": "#!/dev/fd/3\n", "stdin": "#!/dev/stdin\n", "processes": "#!/processes/x\n", "null": "#!/dev/null\n",
		"second": "#!/var/task/self --x\n", "relative": "#!self\n", "third": "#!/var/task/second\n", "layer": "#!/opt/self\n", "loop": "#!/var/task/loop\n",
		"sixth": "#!/var/task/fifth\n", "fifth": "#!/var/task/fourth\n", "fourth": "#!/var/task/third\n", "missing": "#!/var/task/none\n", "out": "#!/var/task/../../proc/self/exe\n",
	} {
		if err := os.WriteFile(filepath.Join(code, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(layers, "self"), []byte("#!/proc/self/exe\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, refused := range map[string]string{
		"elf": "", "sh": "", "spaces": "", "empty": "", "no name": "", "processes": "", "null": "", "loop": "", "missing": "", "none": "",
		"no newline": "/proc/self/exe", "self": "/proc/self/exe", "dots": "/usr/../proc/1/exe", "slashes": "//proc//self/exe", "tab": "/proc/self/exe", "fd": "/dev/fd/3", "stdin": "/dev/stdin",
		"second": "/proc/self/exe", "relative": "/proc/self/exe", "third": "/proc/self/exe", "fifth": "/proc/self/exe", "layer": "/proc/self/exe", "out": "/var/task/../../proc/self/exe",
		"sixth": "", // the kernel refuses it
	} {
		err := CheckInterpreter([]string{"/var/task/" + name}, code, layers)
		failed := (*StartError)(nil)
		if refused == "" && err != nil || refused != "" && (!errors.As(err, &failed) || failed.Step != "exec" || !strings.Contains(err.Error(), `"`+refused+`"`)) {
			t.Errorf("%s: %v, want %q", name, err, refused)
		}
	}
	if err := CheckInterpreter([]string{"/opt/self"}, code, layers); err == nil {
		t.Error("a layer's bootstrap: no error")
	}
	if err := CheckInterpreter([]string{"/opt/self"}, code, ""); err != nil {
		t.Error(err)
	}
	if err := CheckInterpreter(nil, code, layers); err != nil { // there is no bootstrap
		t.Error(err)
	}
	if err := CheckInterpreter([]string{"/usr/bin/python3"}, code, layers); err != nil {
		t.Error(err)
	}
}
