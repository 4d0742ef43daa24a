package sandbox

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// fakeRoot makes what of the host is in a function's root, with the links that Debian has there and worse, and directories
// for /var/task and /opt in it.
func fakeRoot(t testing.TB) outside {
	t.Helper()
	root := t.TempDir()
	for _, dir := range []string{"usr/bin", "usr/share", "etc/alternatives", "proc/self", "var/task/bin", "var/task/x\u00a0", "var/task/x\v", "opt", "dev", "tmp"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"usr/bin/env", "proc/self/exe", "var/task/env", "opt/env"} {
		if err := os.WriteFile(filepath.Join(root, file), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{
		"bin": "usr/bin", "usr/bin/X11": ".", "usr/bin/awk": "/etc/alternatives/awk", "etc/alternatives/awk": "/usr/bin/env",
		"usr/share/root": "/", "usr/share/up": "../..", "usr/bin/exe": "/proc/self/exe", "usr/bin/loop": "loop", "dev/fd": "/proc/self/fd",
	} {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	return outside{root, filepath.Join(root, "var/task"), filepath.Join(root, "opt")}
}

// paths in a fakeRoot: whether they stay in it.
var paths = map[string]bool{
	"/usr/bin/env": true, "/bin/env": true, "env": true, "bin/../env": true, "/var/task/env": true, "/opt/../var/task/env": true, "/usr/bin/awk": true,
	"/usr/bin/X11/env": true, "/usr/bin/X11/X11/env": true, "/usr/bin/loop": true, "/usr/bin/../bin/env": true, "/processes": true, "/": true, "": true,
	"/usr/share/root/usr/bin/env": true, "/none/../usr/bin/env": true, "/usr/bin/exe/x": false, "/dev/null": true,

	"/proc/self/exe": false, "/proc": false, "//proc//self/exe": false, "/usr/../proc/self/exe": false, "/var/task/../../proc/self/exe": false,
	"../../proc/self/exe": false, "/usr/bin/X11/../../proc/self/exe": false, "/usr/bin/X11/../../../proc/self/exe": false, "/bin/../../proc/self/exe": false,
	"/usr/share/root/proc/self/exe": false, "/usr/share/up/proc/self/exe": false, "/usr/bin/exe": false, "/usr/bin/X11/exe": false,
	"/dev/fd/3": false, "/dev/stdin": false, "/proc/../usr/bin/env": false,
}

func TestResolve(t *testing.T) {
	o := fakeRoot(t)
	for name, want := range paths {
		if at, inside := o.resolve(name); inside != want {
			t.Errorf("%q: %s, inside %t", name, at, inside)
		}
	}
}

// FuzzResolve: what the kernel finds below /proc is refused, whatever leads there.
func FuzzResolve(f *testing.F) {
	for name := range paths {
		f.Add(name)
	}
	o := fakeRoot(f)
	root, err := unix.Open(o.host, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		f.Fatal(err)
	}
	defer unix.Close(root)
	f.Fuzz(func(t *testing.T, name string) {
		_, inside := o.resolve(name)
		if !strings.HasPrefix(name, "/") {
			name = "/var/task/" + name
		}
		fd, err := unix.Openat2(root, name, &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT})
		if err != nil {
			return
		}
		defer unix.Close(fd)
		found, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
		if err != nil {
			t.Fatal(err)
		}
		if below := strings.HasPrefix(found, filepath.Join(o.host, "proc")); below && inside {
			t.Errorf("%q is %s", name, found)
		}
	})
}

func TestCheckInterpreter(t *testing.T) {
	o := fakeRoot(t)
	code, layers := o.code, o.layers
	for name, text := range map[string]string{
		"elf": "\x7fELF", "sh": "#!/bin/sh\n", "spaces": "#! \t/usr/bin/env  bash -e\n", "empty": "", "no name": "#!\n", "no newline": "#!/proc/self/exe",
		"self": "#!/proc/self/exe demo\n", "dots": "#!/usr/../proc/1/exe\n", "slashes": "#!//proc//self/exe\n", "tab": "#!/proc/self/exe\tx\n",
		"fd": "#!/dev/fd/3\n", "stdin": "#!/dev/stdin\n", "processes": "#!/processes/x\n", "null": "#!/dev/null\n",
		"second": "#!/var/task/self --x\n", "relative": "#!self\n", "third": "#!/var/task/second\n", "layer": "#!/opt/self\n", "loop": "#!/var/task/loop\n",
		"no-break space": "#!x\u00a0/../../../proc/self/exe\n", "vertical tab": "#!x\v/../../../proc/self/exe\n",
		"self\r": "#!/proc/self/exe\n", "carriage return": "#!/var/task/self\r\n", "zero": "#!/var/task/self\x00x\n", "link": "#!/usr/bin/X11/../../proc/self/exe __sandbox\n",
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
		"no-break space": "x\\u00a0/../../../proc/self/exe", "vertical tab": `x\v/../../../proc/self/exe`, "carriage return": "/proc/self/exe", "zero": "/proc/self/exe",
		"link":  "/usr/bin/X11/../../proc/self/exe",
		"sixth": "", // the kernel refuses it
	} {
		err := o.checkInterpreter([]string{"/var/task/" + name})
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
	// AWS_LAMBDA_EXEC_WRAPPER is the command's first word.
	for name, inside := range paths {
		if err := o.checkInterpreter([]string{name, "/usr/bin/python3"}); (err == nil) != inside {
			t.Errorf("the command %q: %v", name, err)
		}
	}
}

// TestCheckLoader: the kernel executes a program's dynamic loader as it does a script's interpreter.
func TestCheckLoader(t *testing.T) {
	o := fakeRoot(t)
	for name, inside := range paths {
		var program bytes.Buffer
		loader := append([]byte(name), 0)
		at := uint64(64 + 2*56)
		head := elf.Header64{Phoff: 64, Phentsize: 56, Phnum: 2, Shoff: 1 << 62, Shnum: 9} // sections are nothing to the kernel
		copy(head.Ident[:], elf.ELFMAG)
		for _, part := range []any{
			head, elf.Prog64{Type: uint32(elf.PT_LOAD)}, elf.Prog64{Type: uint32(elf.PT_INTERP), Off: at, Filesz: uint64(len(loader))}, loader,
		} {
			if err := binary.Write(&program, binary.LittleEndian, part); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(o.code, "bootstrap"), program.Bytes(), 0o755); err != nil {
			t.Fatal(err)
		}
		err := o.checkInterpreter(nil)
		if (err == nil) != inside || !inside && !strings.Contains(err.Error(), "dynamic loader") {
			t.Errorf("the loader %q: %v", name, err)
		}
	}
}
