package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// starter starts the function somewhere and says how long its first next took to come.
type starter struct {
	name     string
	includes string
	version  func(ctx context.Context) (string, error)
	argv     []string  // what runs until the function ends
	stop     []string  // what ends the function; nil: argv itself is killed
	network  *attacher // nil: none but loopback
	unified  bool      // it is to see version 2 of the control groups
	fresh    bool      // the namespace is made while the request waits; else it is there, as from a pool
}

// containers is container runtimes and engines that run the function's program, and what it costs without any.
func containers(s setting) []peer {
	const none = "no network: "
	prepared := "bundle made ahead: what its `spec` writes, less the rule for devices"
	crun, runc := newRuntime(s, "crun"), newRuntime(s, "runc")
	ptp := cniAttacher(s, ptpPlugin)
	bare := filepath.Join(s.work, "exec")
	list := []starter{
		{
			name: "exec", includes: none + "fork and exec in a namespace that is there; nothing contained: the floor",
			version: func(context.Context) (string, error) { return "", newRootfs(s, bare) },
			argv:    []string{bare + program},
		},
		crun.starter("crun-pooled", none+"crun run in a namespace that is there; "+prepared, false, nil),
		crun.starter("crun-fresh", none+"the same, and the namespace is made in process first", true, nil),
		crun.starter("crun-cni-ptp", "the same, and cnitool add ptp: what enilab's figure has, too", true, &ptp),
		runc.starter("runc-pooled", none+"runc run in a namespace that is there; "+prepared, false, nil),
		runc.starter("runc-fresh", none+"the same, and the namespace is made in process first", true, nil),
		podman(s),
	}
	peers := make([]peer, len(list))
	for i, st := range list {
		peers[i] = st.peer(s)
	}
	return peers
}

func (st starter) peer(s setting) peer {
	return peer{
		name: st.name, version: st.version,
		lines: []line{{key{start, st.name}, st.includes}},
		once: func(ctx context.Context, _ *customer) ([]sample, error) {
			took, err := st.once(ctx, s)
			if err != nil {
				return nil, err
			}
			return []sample{{key{start, st.name}, took}}, nil
		},
	}
}

// once starts the function, and ends it again. The clock starts with the namespace, or when that is there.
func (st starter) once(ctx context.Context, s setting) (took time.Duration, err error) {
	if st.unified {
		undo, failed := unify(s.cgroup)
		if failed != nil {
			return 0, failed
		}
		defer func() { err = errors.Join(err, undo()) }()
	}
	requested := time.Now()
	r, err := newRoom(st.name)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	next, err := awaitNext(r.NS)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, next.Close()) }()
	if !st.fresh {
		requested = time.Now()
	}
	if st.network != nil {
		if err := st.network.connect(ctx, st.name); err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, st.network.sever(ctx, st.name)) }()
	}
	at, err := st.run(ctx, s, r, next)
	return at.Sub(requested), err
}

// run runs the function until its first next, tells when that came, and waits until all that was started is gone.
func (st starter) run(ctx context.Context, s setting, r *room, next *firstNext) (at time.Time, err error) {
	log, err := os.Create(filepath.Join(s.work, st.name+".log")) // a file costs the runtime least
	if err != nil {
		return at, err
	}
	defer log.Close() //nolint:errcheck // read by name
	cmd := exec.CommandContext(ctx, st.argv[0], st.argv[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	if st.stop == nil { // not contained: it gets from here what others get from a bundle
		cmd.Env = environment()
		err = r.NS.Do(cmd.Start)
	} else {
		err = cmd.Start()
	}
	if err != nil {
		return at, err
	}
	var exit error // read when ended is closed
	ended := make(chan struct{})
	go func() {
		exit = cmd.Wait()
		close(ended)
	}()
	select {
	case at = <-next.came:
	case err = <-next.failed:
	case <-ended:
		said, _ := os.ReadFile(log.Name())
		return at, fmt.Errorf("ended before its first next: %v: %s", exit, strings.TrimSpace(string(said)))
	}
	if st.stop == nil {
		err = errors.Join(err, cmd.Process.Kill())
	} else {
		err = errors.Join(err, command(ctx, st.stop[0], st.stop[1:]...))
	}
	<-ended
	return at, err
}

// environment is what the function is told wherever it runs.
func environment() []string {
	return []string{
		"PATH=/usr/local/bin:/usr/bin:/bin", "AWS_LAMBDA_RUNTIME_API=" + runtimeAPI.String(), "_HANDLER=bootstrap", "LAMBDA_TASK_ROOT=/var/task",
		"AWS_LAMBDA_FUNCTION_NAME=peer", "AWS_LAMBDA_FUNCTION_VERSION=$LATEST", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=128",
	}
}

// program is the function's, in a root directory.
const program = "/var/task/bootstrap"

// newRootfs makes a root directory that holds nothing but the function.
func newRootfs(s setting, dir string) error {
	for _, name := range []string{"proc", "sys", "dev", "tmp", "run", "etc", "var/task"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			return err
		}
	}
	code, err := os.ReadFile(s.bootstrap)
	if err != nil {
		return err
	}
	return os.WriteFile(dir+program, code, 0o755)
}
