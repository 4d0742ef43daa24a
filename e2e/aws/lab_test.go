// Package aws_test uses a lab that stays up as people do: the built program, the AWS SDK for Go, the AWS CLI. Set
// ENILAB_BIN to test a program that is built already, with its functions beside it; else the tests run make build.
package aws_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"enilab/internal/nstest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

var (
	enilab    string // the program under test
	functions string // directory of the function store
)

func TestMain(m *testing.M) {
	if len(os.Args) == 5 && os.Args[1] == askArg {
		fmt.Println(ask(context.Background(), os.Args[2], os.Args[3], os.Args[4]))
		return
	}
	os.Exit(testAll(m))
}

func testAll(m *testing.M) int {
	built := os.Getenv("ENILAB_BIN")
	if built == "" {
		cmd := exec.Command("make", "build")
		cmd.Dir = "../.."
		if out, err := cmd.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "e2e/aws: make build: %v\n%s", err, out)
			return 1
		}
		built, _ = filepath.Abs("../../bin/enilab") // fails without a working directory only
	}
	enilab, functions = built, filepath.Join(filepath.Dir(built), "functions")
	return m.Run()
}

// lab is one lab that a test has brought up.
type lab struct {
	t    testing.TB
	home string
	name string
	file string // its topology

	program    string              // empty: the one under test
	credential *syscall.Credential // who runs it; nil: the caller
	listed
	clients
}

// clients are the SDK's, as anybody has them; each waits for an answer once. Connections do not outlive a daemon, so they
// are new with each.
type clients struct {
	forLambda *lambda.Client
	forEC2    *ec2.Client
	forIAM    *iam.Client
	forSTS    *sts.Client
}

// listed is what `list` says of a lab.
type listed struct {
	Name, Status, Listen string
	KeeperPID            int
	DaemonPID            int
	Counts               map[string]int
}

// up brings up a lab with this topology, and takes it down with the test; then nothing may be left of it.
func up(t testing.TB, topology string) *lab {
	t.Helper()
	l := planned(t, t.TempDir(), topology)
	l.up()
	return l
}

// planned is a lab that is not up yet.
func planned(t testing.TB, dir, topology string) *lab {
	t.Helper()
	nstest.NeedRoot(t)
	l := &lab{t: t, home: filepath.Join(dir, "home"), name: "lab", file: filepath.Join(dir, "lab.lab.yml")}
	l.declare(topology)
	t.Cleanup(l.down)
	return l
}

// declare writes another topology.
func (l *lab) declare(topology string) {
	l.t.Helper()
	if err := os.WriteFile(l.file, []byte(topology), 0o644); err != nil {
		l.t.Fatal(err)
	}
}

// up brings the lab up, or up again.
func (l *lab) up() {
	l.t.Helper()
	args := []string{"up", "--name", l.name, "-t", l.file}
	if l.Listen == "" {
		args = append(args, "--listen", "127.0.0.1:0")
	}
	out, err := l.run(args...)
	if err != nil {
		l.t.Fatalf("up: %v\n%s\n%s", err, out, l.log())
	}
	before := l.listed
	if l.listed = l.list(); before.Listen != "" && before.Listen != l.Listen {
		l.t.Errorf("it listened on %s and now does on %s", before.Listen, l.Listen)
	}
	c := aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String("http://" + l.Listen), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""), HTTPClient: wholeBody{new(http.Transport)},
	}
	l.clients = clients{lambda.NewFromConfig(c), ec2.NewFromConfig(c), iam.NewFromConfig(c), sts.NewFromConfig(c)}
}

func (l *lab) list() listed {
	l.t.Helper()
	out, err := l.run("list", "--format", "json")
	if err != nil {
		l.t.Fatalf("list: %v\n%s", err, out)
	}
	var list struct{ Labs []listed }
	if err := json.Unmarshal(out, &list); err != nil || len(list.Labs) != 1 {
		l.t.Fatalf("list: %v\n%s", err, out)
	}
	return list.Labs[0]
}

// command prepares a verb.
func (l *lab) command(args ...string) *exec.Cmd {
	cmd := exec.Command(cmp.Or(l.program, enilab), args...)
	cmd.Env = append(os.Environ(), "ENILAB_HOME="+l.home)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: l.credential}
	cmd.WaitDelay = time.Minute
	return cmd
}

// run runs a verb on the lab; the output is stdout, the error has stderr.
func (l *lab) run(args ...string) ([]byte, error) {
	var out, said bytes.Buffer
	cmd := l.command(args...)
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return out.Bytes(), fmt.Errorf("enilab %s: %w: %s", strings.Join(args, " "), err, said.Bytes())
	}
	return out.Bytes(), nil
}

func (l *lab) log() string {
	log, _ := os.ReadFile(filepath.Join(l.home, "run", l.name, "daemon.log"))
	if len(log) > 8000 {
		log = log[len(log)-8000:]
	}
	return string(log)
}

// inspect returns the rows of a table.
func (l *lab) inspect(what string) []map[string]any {
	l.t.Helper()
	out, err := l.run("inspect", what, "--format", "json")
	if err != nil {
		l.t.Fatal(err)
	}
	var table struct{ Rows []map[string]any }
	if err := json.Unmarshal(out, &table); err != nil {
		l.t.Fatalf("inspect %s: %v\n%s", what, err, out)
	}
	return table.Rows
}

// kill ends the daemon, and nothing else, without a chance to say anything.
func (l *lab) kill() {
	l.t.Helper()
	if err := syscall.Kill(l.DaemonPID, syscall.SIGKILL); err != nil {
		l.t.Fatalf("kill the daemon, %d: %v", l.DaemonPID, err)
	}
	nstest.Eventually(l.t, 10*time.Second, func() error {
		if now := l.list(); now.Status != "daemon dead" {
			return errorf("it is %+v", now)
		}
		return nil
	})
}

// down ends the lab and looks for what is left.
func (l *lab) down() {
	l.t.Helper()
	if l.t.Failed() {
		l.t.Logf("the daemon's log:\n%s", l.log())
	}
	for range 2 { // the second has nothing to do
		if out, err := l.run("down", "--name", l.name); err != nil {
			l.t.Errorf("down: %v\n%s", err, out)
		}
	}
	for _, dir := range []string{"run", "state"} {
		if left, err := os.ReadDir(filepath.Join(l.home, dir)); !errors.Is(err, fs.ErrNotExist) {
			l.t.Errorf("left in %s: %v (%v)", dir, left, err)
		}
	}
	if l.KeeperPID == 0 {
		return
	}
	for _, pid := range []int{l.KeeperPID, l.DaemonPID} {
		if runs(pid) {
			l.t.Errorf("process %d is left", pid)
		}
	}
	if groups := cgroupsOf(l.KeeperPID); len(groups) > 0 {
		l.t.Errorf("control groups are left: %v", groups)
	}
}

// runs tells whether a process has not ended yet. Whether its parent has noticed does not matter.
func runs(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := bytes.Cut(stat, []byte(") "))
	return err == nil && !bytes.HasPrefix(rest, []byte("Z")) && !bytes.HasPrefix(rest, []byte("X"))
}

// cgroupsOf finds the control groups that are named after a lab's keeper.
func cgroupsOf(keeper int) (found []string) {
	_ = filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && strings.Contains(d.Name(), fmt.Sprintf("-%d-", keeper)) && strings.Contains(path, "/enilab/") {
			found = append(found, path)
			return fs.SkipDir
		}
		return nil
	})
	return found
}

// wholeBody is an HTTP client whose requests have bodies of their own. smithy-go 1.28 closes a request's body as soon as the
// answer begins, and its reader then tells net/http, which may just be looking for the body's end, of an error: a lab
// answers fast enough for that to cost one answer in thirty, which the SDK's own retries would hide.
type wholeBody struct{ transport *http.Transport }

func (c wholeBody) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(b))
	}
	return c.transport.RoundTrip(r)
}

func (l *lab) lambda() *lambda.Client { return l.forLambda }
func (l *lab) ec2() *ec2.Client       { return l.forEC2 }
func (l *lab) iam() *iam.Client       { return l.forIAM }
func (l *lab) sts() *sts.Client       { return l.forSTS }

// code is the Go example.
func code(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(functions, "go.zip"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func errorf(format string, args ...any) error { return fmt.Errorf(format, args...) }

// none wants an empty table.
func none(rows []map[string]any) error {
	if len(rows) > 0 {
		return errorf("there are %v", rows)
	}
	return nil
}
