package sandbox

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"runtime"
	"strings"
	"syscall"
)

// StartError says that an environment could not start: at which step, and why.
type StartError struct {
	Step   string // "zygote", "process", "cgroup", "root", "hostname", "limits", "privileges", "mount", "code", "descriptors", "seccomp", "exec", …
	Reason string // what was tried on what
	Errno  syscall.Errno
}

func (e *StartError) Error() string { return e.Step + ": " + e.Reason }

// Unwrap lets errors.Is find the system's error, such as fs.ErrNotExist.
func (e *StartError) Unwrap() error {
	if e.Errno == 0 {
		return nil
	}
	return e.Errno
}

// maxStatus bounds what is read of a stage or zygote that failed.
const maxStatus = 4 << 10

// statusError is how a failure travels: the system's error as a number, the step, and what was tried on what. A stage
// writes the same (see call.say) with nothing but a system call.
func statusError(step string, err error) []byte {
	var errno syscall.Errno
	reason := err.Error()
	if errors.As(err, &errno) {
		reason = strings.TrimSuffix(reason, ": "+errno.Error())
	}
	return fmt.Append(binary.NativeEndian.AppendUint64(nil, uint64(errno)), step, "\x00", reason)
}

// parseStatus is the other side. Without a status there is no telling what happened.
func parseStatus(b []byte) *StartError {
	step, reason, ok := "", "", false
	if len(b) > 8 {
		step, reason, ok = strings.Cut(string(b[8:]), "\x00")
	}
	if !ok {
		return &StartError{Step: "init", Reason: "the environment's process died without a word"}
	}
	e := &StartError{Step: step, Reason: reason, Errno: syscall.Errno(binary.NativeEndian.Uint64(b))}
	if e.Errno != 0 && reason != "" {
		e.Reason += ": " + e.Errno.Error()
	}
	return e
}

// execError says more than exec does of a command that could not be executed. Code is where /var/task is outside.
func execError(command []string, code string, errno syscall.Errno) *StartError {
	program := bootstrap
	if len(command) > 0 {
		program = command[0]
	}
	reason := "exec " + program
	switch errno {
	case syscall.ENOENT: // of a file that is there it means the interpreter that it names
		inCode, _ := strings.CutPrefix(path.Clean(program), "/var/task/")
		first, err := firstLine(code, inCode)
		interpreter, script := strings.CutPrefix(first, "#!")
		interpreter, _, _ = strings.Cut(strings.TrimSpace(interpreter), " ")
		switch {
		case err == nil && script:
			reason = fmt.Sprintf("%s: its interpreter %q is not in the sandbox", program, interpreter)
		case err == nil:
			reason = program + ": its dynamic loader is not in the sandbox"
		case len(command) == 0: // the words of Lambda, which looks in layers, too
			reason = fmt.Sprintf("none of %s, /opt/bootstrap", bootstrap)
		}
	case syscall.EACCES:
		reason = program + " is not a file that the function's user may execute"
	case syscall.ENOEXEC:
		reason = fmt.Sprintf("%s is neither a program for %s nor a script that starts with #!", program, runtime.GOARCH)
	}
	return &StartError{Step: "exec", Reason: reason + ": " + errno.Error(), Errno: errno}
}

// firstLine reads as much of the first line of a file of the code as the kernel does. It follows no link that leads out of it,
// as that of another program does.
func firstLine(code, name string) (string, error) {
	f, err := os.OpenInRoot(code, name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	head, err := io.ReadAll(io.LimitReader(f, maxScript))
	line, _, _ := strings.Cut(string(head), "\n")
	return line, err
}
