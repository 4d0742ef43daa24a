package netlab

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"enilab/internal/nstest"

	"golang.org/x/sys/unix"
)

// TestOutputStaysSmall: what a server prints takes little memory, its last words are kept, and a new owner finds them.
func TestOutputStaysSmall(t *testing.T) {
	nstest.NoLeaks(t)
	nstest.NeedRoot(t)
	n, err := NewNode("talker")
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	p, err := startProcess(t.Context(), n, []string{"sh", "-c", "seq 1 100000; echo to stdout >>/dev/stdout; echo the last words >&2; exec sleep 1000"})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	nstest.Eventually(t, 10*time.Second, func() error {
		if words := p.output.String(); len(words) > tailSize || !strings.HasSuffix(words, "100000\nto stdout\nthe last words") {
			return fmt.Errorf("last words %.100q", words)
		}
		p.output.trim()
		var s unix.Stat_t
		if err := unix.Fstat(int(p.output.file.Fd()), &s); err != nil || s.Blocks*512 > outputSize {
			return fmt.Errorf("%d blocks: %v", s.Blocks, err)
		}
		return nil
	})
	adopted := openOutput(p.Pid(), p.State().Output)
	defer adopted.close()
	if adopted.String() != p.output.String() {
		t.Errorf("adopted: %.100q", adopted)
	}
}

// TestOutputIsBounded: a server that prints faster than anybody trims takes so much memory and no more. It is told that the disk
// is full, and can print again as soon as somebody trims.
func TestOutputIsBounded(t *testing.T) {
	nstest.NoLeaks(t)
	nstest.NeedRoot(t)
	o, err := newOutput()
	if err != nil {
		t.Fatal(err)
	}
	defer o.close()
	held := func() int64 {
		t.Helper()
		var s unix.Stat_t
		if err := unix.Fstat(int(o.file.Fd()), &s); err != nil {
			t.Fatal(err)
		}
		return s.Blocks * 512
	}
	server := func(script string) error {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", script)
		cmd.Stdout = o.file
		if id, ok := ServerUser("talker"); ok {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: id, Gid: id}}
		}
		return cmd.Run()
	}
	if err := server(fmt.Sprintf("head -c %d /dev/zero", 2*outputMost)); err == nil {
		t.Error("all of it was printed")
	}
	if n := held(); n != outputMost {
		t.Errorf("%d bytes are held, want %d", n, outputMost)
	}
	if !o.trim() || held() > outputSize {
		t.Errorf("%d bytes are held after trim, want %d at most", held(), outputSize)
	}
	if err := server("echo the last words; echo to stdout >>/dev/stdout"); err != nil {
		t.Error(err)
	}
	if words := o.String(); !strings.HasSuffix(words, "the last words\nto stdout") {
		t.Errorf("last words %.100q", words)
	}
	if o.trim() {
		t.Error("little was trimmed")
	}
}

// TestOutputThatIsAnother: a server that has put another file in its output's place, under the same name, has that file left
// alone by who adopts the server, and so has one of which it is not known what it was given.
func TestOutputThatIsAnother(t *testing.T) {
	nstest.NoLeaks(t)
	nstest.NeedRoot(t)
	n, err := NewNode("forger")
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	fd, err := unix.MemfdCreate(outputName, unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	forged := os.NewFile(uintptr(fd), outputName)
	defer forged.Close()
	cmd := exec.CommandContext(t.Context(), "sleep", "1000") // stands for the server after it has changed its output
	cmd.Stdout = forged
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()         //nolint:errcheck // killed
	defer cmd.Process.Kill() //nolint:errcheck // it runs
	p, err := startProcess(t.Context(), n, []string{"sleep", "1000"})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	was := p.State().Output
	if was == (FileID{}) {
		t.Error("what it was given is not recorded")
	}
	for name, c := range map[string]struct {
		pid int
		was FileID
	}{"another file": {cmd.Process.Pid, was}, "of a former version": {p.Pid(), FileID{}}} {
		if o := openOutput(c.pid, c.was); o != nil {
			o.close()
			t.Errorf("%s: it was opened", name)
		}
	}
	if o := openOutput(p.Pid(), was); o == nil {
		t.Error("its own was not")
	} else {
		o.close()
	}
}
