package realm_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"enilab/internal/realm"
)

// Arguments that make this test program something else.
const (
	serveArg = "serve" // a daemon that does as its clients say
	crashArg = "crash" // a daemon that ends at once
	startArg = "__start"
	runArg   = "run" // the inside of Run
	boundArg = "__bound"

	chrootArg = "__chroot" // the outside of Run
)

func TestMain(m *testing.M) {
	if len(os.Args) > 2 {
		var err error
		switch os.Args[1] + " " + os.Args[2] {
		case realm.Arg + " " + realm.KeepVerb:
			realm.Watch(func() { os.Exit(9) }) // as cmd/enilab does with every verb inside
			var in *realm.Inside
			if in, err = realm.Enter(); err == nil {
				err = realm.Keep(in)
			}
		case realm.Arg + " " + serveArg:
			realm.Watch(func() { os.Exit(9) })
			if err = realm.Join(); err == nil {
				err = serve()
			}
		case realm.Arg + " " + crashArg:
			os.Exit(7)
		case realm.Arg + " " + runArg:
			var in *realm.Inside
			if in, err = realm.Enter(); err == nil {
				ended := make(chan struct{})
				realm.Watch(func() { close(ended) })
				fmt.Fprint(in.Result, in.PID)
				fmt.Fprint(os.Stdout, watchers())
				in.Result.Close()
				<-ended
				os.Exit(5)
			}
		case chrootArg + " " + chrootArg:
			_, err = realm.Run(context.Background(), realm.Config{Args: []string{runArg}, Stderr: os.Stderr})
		case boundArg + " " + boundArg:
			err = bounds()
		case startArg + " " + startArg:
			_, err = realm.StartKeeper(context.Background(), realm.KeeperConfig{Dir: os.Args[3], Name: "test"})
		default:
			os.Exit(m.Run())
		}
		if errors.Is(err, realm.ErrChroot) && os.Args[2] == realm.KeepVerb { // as cmd/enilab does
			fmt.Fprintf(os.Stderr, "enilab: %v\n", err)
			os.Exit(3)
		}
		if ended := new(realm.EndedError); errors.As(err, &ended) {
			fmt.Fprintln(os.Stderr, "code", ended.Code)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// serve obeys lines from the listener that was passed: "sh SCRIPT", "start SCRIPT", "reap PID…", "exit CODE".
func serve() error {
	l, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		return err
	}
	fmt.Println("the daemon serves")
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			line, _ := bufio.NewReader(c).ReadString('\n')
			fmt.Fprint(c, obey(strings.TrimSpace(line)))
		}()
	}
}

func obey(line string) string {
	verb, rest, _ := strings.Cut(line, " ")
	switch verb {
	case "sh":
		out, err := exec.Command("sh", "-c", rest).CombinedOutput()
		if err != nil {
			return fmt.Sprintf("%s: %v", out, err)
		}
		return strings.TrimSpace(string(out))
	case "start":
		cmd := exec.Command("sh", "-c", rest)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := cmd.Start(); err != nil {
			return err.Error()
		}
		return strconv.Itoa(cmd.Process.Pid)
	case "reap":
		var keep []realm.Kept
		for f := range strings.FieldsSeq(rest) {
			var k realm.Kept
			_, _ = fmt.Sscanf(f, "%d/%d", &k.PID, &k.Start)
			keep = append(keep, k)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		ended, err := realm.ReapOthers(ctx, keep)
		if err != nil {
			return err.Error()
		}
		return strings.Trim(fmt.Sprint(ended), "[]")
	case "exit":
		code, _ := strconv.Atoi(rest)
		os.Exit(code)
	}
	return "what?"
}

// watchers is how many inotify instances, and how many watches, all users of this user namespace may have.
func watchers() string {
	var both []string
	for _, what := range []string{"instances", "watches"} {
		b, err := os.ReadFile("/proc/sys/user/max_inotify_" + what)
		if err != nil {
			return err.Error()
		}
		both = append(both, strings.TrimSpace(string(b)))
	}
	return strings.Join(both, " ")
}

// bounds prints what watchers says before, in and after a realm.
func bounds() error {
	before := watchers()
	var inside strings.Builder
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	code, err := realm.Run(ctx, realm.Config{Args: []string{runArg}, Result: &endOnWrite{end: cancel}, Stdout: &inside, Stderr: os.Stderr})
	if err != nil || code != 5 {
		return fmt.Errorf("exit code %d, %v", code, err)
	}
	fmt.Println(before, inside.String(), watchers())
	return nil
}
