package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"enilab/internal/nstest"

	"golang.org/x/sys/unix"
)

// A verb that reads what never comes ends when it is told to.
func TestReadingIsInterrupted(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "lab.lab.yml")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		args []string
		end  syscall.Signal
	}{
		{"validate", []string{"validate", "-"}, syscall.SIGINT},
		{"validate, told to terminate", []string{"validate", "-t", "-"}, syscall.SIGTERM},
		{"up", []string{"up", "-t", "-"}, syscall.SIGINT},
		{"invoke", []string{"invoke", "f", "--payload", "-"}, syscall.SIGTERM},
		{"a FIFO", []string{"validate", "-t", fifo}, syscall.SIGINT},
		{"a FIFO as event", []string{"invoke", "f", "--payload", "@" + fifo}, syscall.SIGINT},
		{"report", []string{"report", "-o", filepath.Join(dir, "report.html"), "-"}, syscall.SIGINT},
		{"a FIFO of figures", []string{"report", "-o", filepath.Join(dir, "report.html"), fifo}, syscall.SIGTERM},
		{"a FIFO as baseline", []string{"bench", "--baseline", fifo}, syscall.SIGINT},
	} {
		t.Run(c.name, func(t *testing.T) {
			read, write, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer write.Close()
			cmd := exec.Command(enilab, c.args...)
			cmd.Env = append(os.Environ(), "ENILAB_HOME="+filepath.Join(dir, "home"))
			cmd.Stdin = read
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan struct{})
			go func() { defer close(ended); _ = cmd.Wait() }() // how it ended is in ProcessState
			read.Close()
			if c.args[len(c.args)-1] == "-" {
				if _, err := write.WriteString("{"); err != nil {
					t.Fatal(err)
				}
				nstest.Eventually(t, time.Minute, func() error { // it reads
					if n, err := unix.IoctlGetInt(int(write.Fd()), unix.TIOCINQ); err != nil || n > 0 {
						return os.ErrDeadlineExceeded
					}
					return nil
				})
			} else {
				w, err := os.OpenFile(fifo, os.O_WRONLY, 0) // until it is open at the other end
				if err != nil {
					t.Fatal(err)
				}
				defer w.Close()
			}
			if err := cmd.Process.Signal(c.end); err != nil {
				t.Fatal(err)
			}
			select {
			case <-ended:
				if code := cmd.ProcessState.ExitCode(); code != 130 {
					t.Errorf("%v, want exit code 130", cmd.ProcessState)
				}
			case <-time.After(time.Minute):
				_ = cmd.Process.Kill()
				t.Error("it reads on")
			}
		})
	}
}
