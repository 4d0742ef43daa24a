package sandbox

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// maxInterpreters is how many scripts in a row the kernel takes for one another's interpreter (exec_binprm, fs/exec.c).
const maxInterpreters = 5

// CheckInterpreter follows the interpreters that a function's command names, from script to script, as far as they are its own:
// the command is nil or as Config has it, code and layers are where /var/task and /opt are outside, layers may be empty. The
// last may be any program of the function's root, but none below /proc: /proc/self/exe is not a program of the function's but, at
// that moment, the lab's. The error is a [*StartError] of the step "exec". Code has no symbolic links, see [ArchiveError].
func CheckInterpreter(command []string, code, layers string) error {
	program := bootstrap
	if len(command) > 0 {
		program = command[0]
	}
	for range maxInterpreters {
		program = absolute(program)
		line, ok := ownLine(program, code, layers)
		if !ok {
			return nil // exec says what is wrong with it, if anything is
		}
		script, found := strings.CutPrefix(line, "#!")
		if !found {
			return nil
		}
		fields := strings.Fields(script)
		if len(fields) == 0 {
			return nil
		}
		interpreter := absolute(fields[0])
		if isForeign(interpreter) {
			return &StartError{Step: "exec", Reason: fmt.Sprintf("%s: its interpreter %q is no program of the sandbox's", program, fields[0]), Errno: unix.EACCES}
		}
		program = interpreter
	}
	return nil
}

// absolute is a path as the function sees it from its working directory.
func absolute(name string) string {
	if path.IsAbs(name) {
		return path.Clean(name)
	}
	return path.Join("/var/task", name)
}

// isForeign tells of a path in the function's root whether it leads out of that: below /proc are the programs and descriptors
// of processes, and some names in /dev are links to there.
func isForeign(name string) bool {
	links := []string{"/dev/fd", "/dev/stdin", "/dev/stdout", "/dev/stderr"}
	within := func(dir string) bool { return name == dir || strings.HasPrefix(name, dir+"/") }
	return slices.ContainsFunc(append(links, "/proc"), within)
}

// ownLine reads the first line of a file that is the function's own.
func ownLine(name, code, layers string) (line string, ok bool) {
	dir := code
	inside, own := strings.CutPrefix(name, "/var/task/")
	if !own {
		dir = layers
		inside, own = strings.CutPrefix(name, "/opt/")
	}
	if !own || dir == "" {
		return "", false
	}
	line, err := firstLine(dir, inside)
	return line, err == nil
}
