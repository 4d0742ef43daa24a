package sandbox

import (
	"debug/elf"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// maxInterpreters is how many scripts in a row the kernel takes for one another's interpreter (exec_binprm, fs/exec.c).
const maxInterpreters = 5

// maxLinks is how many symbolic links the kernel follows on the way to one file (MAXSYMLINKS, linux/namei.h).
const maxLinks = 40

// CheckInterpreter checks the program that a function's command names, and the interpreters that it names, from script to
// script and to the dynamic loader of a program, as far as they are the function's own. The command is nil or as Config has
// it; code and layers are where /var/task and /opt are outside; layers may be empty. Each may be any program of the
// function's root, but none below /proc: /proc/self/exe is not a program of the function's but, at that moment, the lab's.
// The error is a [*StartError] of the step "exec".
func CheckInterpreter(command []string, code, layers string) error {
	return outside{"/", code, layers}.checkInterpreter(command)
}

// outside is where the parts of a function's root are outside of it. Code and layers have no symbolic links, see
// [ArchiveError]; what is taken from the host may have.
type outside struct{ host, code, layers string }

func (o outside) checkInterpreter(command []string) error {
	name, of := bootstrap, ""
	if len(command) > 0 {
		name = command[0]
	}
	for range 1 + maxInterpreters {
		program, inside := o.resolve(name)
		if !inside {
			return &StartError{Step: "exec", Reason: fmt.Sprintf("%s%q is no program of the sandbox's", of, name), Errno: unix.EACCES}
		}
		line, ok := o.ownLine(program)
		if !ok {
			return nil // exec says what is wrong with it, if anything is
		}
		if strings.HasPrefix(line, elf.ELFMAG) {
			loader := o.loaderOf(program)
			if _, inside := o.resolve(loader); !inside {
				return &StartError{Step: "exec", Reason: fmt.Sprintf("%s: its dynamic loader %q is no program of the sandbox's", program, loader), Errno: unix.EACCES}
			}
			return nil // the kernel asks for no loader's loader
		}
		if name = interpreterIn(line); name == "" {
			return nil
		}
		of = program + ": its interpreter "
	}
	return nil
}

// interpreterIn finds the interpreter that a script's first line names, as the kernel does (fs/binfmt_script.c): it ends at a
// space, a tab or a zero byte, and at no other. Empty: none.
func interpreterIn(line string) string {
	script, found := strings.CutPrefix(line, "#!")
	if !found {
		return ""
	}
	name := strings.TrimLeft(script, " \t")
	if end := strings.IndexAny(name, " \t\x00"); end >= 0 {
		name = name[:end]
	}
	return name
}

// resolve follows a path through the function's root, from its working directory, as the kernel does: a symbolic link where
// it stands, and ".." from where the links have led. It tells whether the path stays in the root: below /proc are the
// programs and descriptors of processes.
func (o outside) resolve(name string) (at string, inside bool) {
	at = "/"
	if !path.IsAbs(name) {
		at = "/var/task"
	}
	links := 0
	for rest := strings.Split(name, "/"); len(rest) > 0; {
		element := rest[0]
		rest = rest[1:]
		at = path.Join(at, element) // at has no links, so that this is the kernel's ".."
		if isForeign(at) {
			return at, false
		}
		target, isLink := o.link(at)
		if !isLink {
			continue
		}
		if links++; links > maxLinks {
			break // exec says so
		}
		if path.IsAbs(target) {
			at = "/"
		} else {
			at = path.Dir(at)
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	return at, true
}

// link reads a symbolic link in what of the host is in the function's root.
func (o outside) link(name string) (target string, ok bool) {
	top, _, _ := strings.Cut(name[1:], "/")
	if top != "etc" && !slices.Contains(hostTrees, top) {
		return "", false
	}
	target, err := os.Readlink(filepath.Join(o.host, name))
	return target, err == nil
}

// isForeign tells of a path in the function's root whether it leads out of that: to what is below /proc, or, in /dev, is a
// link to there.
func isForeign(name string) bool {
	links := []string{"/dev/fd", "/dev/stdin", "/dev/stdout", "/dev/stderr"}
	within := func(dir string) bool { return name == dir || strings.HasPrefix(name, dir+"/") }
	return slices.ContainsFunc(append(links, "/proc"), within)
}

// own is where a file of the function's own is outside.
func (o outside) own(name string) (dir, inside string, ok bool) {
	dir = o.code
	if inside, ok = strings.CutPrefix(name, "/var/task/"); !ok {
		dir = o.layers
		inside, ok = strings.CutPrefix(name, "/opt/")
	}
	return dir, inside, ok && dir != ""
}

// ownLine reads the first line of a file that is the function's own.
func (o outside) ownLine(name string) (line string, ok bool) {
	dir, inside, ok := o.own(name)
	if !ok {
		return "", false
	}
	line, err := firstLine(dir, inside)
	return line, err == nil
}

// loaderOf finds the dynamic loader that a program of the function's own names; empty: none. It looks where the kernel does
// (load_elf_binary, fs/binfmt_elf.c), and at nothing else: debug/elf wants a program to be whole.
func (o outside) loaderOf(name string) string {
	dir, inside, _ := o.own(name)
	f, err := os.OpenInRoot(dir, inside)
	if err != nil {
		return ""
	}
	defer f.Close()
	read := func(at uint64, v any) bool {
		return binary.Read(io.NewSectionReader(f, int64(at), int64(binary.Size(v))), binary.LittleEndian, v) == nil
	}
	var head elf.Header64
	const most = 64 << 10 // bytes of program headers that the kernel takes
	size := uint64(binary.Size(elf.Prog64{}))
	if !read(0, &head) || uint64(head.Phnum)*size > most {
		return ""
	}
	for i := range uint64(head.Phnum) {
		var p elf.Prog64
		if !read(head.Phoff+i*size, &p) {
			return ""
		}
		if elf.ProgType(p.Type) == elf.PT_INTERP {
			path := make([]byte, min(p.Filesz, unix.PathMax))
			if !read(p.Off, path) {
				return ""
			}
			loader, _, _ := strings.Cut(string(path), "\x00")
			return loader
		}
	}
	return ""
}
