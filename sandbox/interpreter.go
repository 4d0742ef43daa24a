package sandbox

import (
	"fmt"
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
// script, as far as they are the function's own. The command is nil or as Config has it; code and layers are where /var/task
// and /opt are outside; layers may be empty. Each may be any program of the function's root, but none below /proc:
// /proc/self/exe is not a program of the function's but, at that moment, the lab's. The error is a [*StartError] of the step
// "exec".
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

// ownLine reads the first line of a file that is the function's own.
func (o outside) ownLine(name string) (line string, ok bool) {
	dir := o.code
	inside, own := strings.CutPrefix(name, "/var/task/")
	if !own {
		dir = o.layers
		inside, own = strings.CutPrefix(name, "/opt/")
	}
	if !own || dir == "" {
		return "", false
	}
	line, err := firstLine(dir, inside)
	return line, err == nil
}
