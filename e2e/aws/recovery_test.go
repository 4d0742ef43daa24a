package aws_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"enilab/internal/nstest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"
)

// two has two customers of the same CIDR with a server each.
const two = `
name: lab
store: STORE
pool: {shared: 4, legacy: 2}
vpcs:
  vpc-blue:
    cidr: 10.0.0.0/16
    subnets: {subnet-blue: 10.0.1.0/24}
    securityGroups: {sg-blue: {ingress: [all from anywhere]}}
    resources: {whoami: {serve: whoami, subnet: subnet-blue, securityGroups: [sg-blue], address: 10.0.1.20}}
  vpc-green:
    cidr: 10.0.0.0/16
    subnets: {subnet-green: 10.0.1.0/24}
    securityGroups: {sg-green: {ingress: [all from anywhere]}}
    resources: {whoami: {serve: whoami, subnet: subnet-green, securityGroups: [sg-green], address: 10.0.1.20}}
functions:
  steady-shared: {code: go.zip, timeout: 10s, vpc: {subnets: [subnet-blue], securityGroups: [sg-blue]}}
  steady-legacy: {code: go.zip, timeout: 10s, mode: legacy, vpc: {subnets: [subnet-green], securityGroups: [sg-green]}}
`

// books are what a client knows of the functions that it made: whatever was answered, holds.
type books struct {
	mu      sync.Mutex
	next    int
	there   map[string]bool // created, and no deletion was asked for
	unknown map[string]bool // a call about it was cut off
	gone    map[string]bool // deleted
	served  int             // invocations
	changed int             // modes
}

func (b *books) invocations() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.served
}

// count notes a success, and reports what is neither that nor cut off.
func (b *books) count(t *testing.T, what *int, call string, err error, expected ...string) {
	refusal := smithy.APIError(nil)
	switch {
	case err == nil:
		b.mu.Lock()
		*what++
		b.mu.Unlock()
	case errors.As(err, &refusal) && !slices.Contains(expected, refusal.ErrorCode()):
		t.Errorf("%s: %v", call, err)
	}
}

func (b *books) pick() (string, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for name := range b.there {
		return name, true
	}
	return "", false
}

// load creates, invokes, changes and deletes until ctx ends.
func (l *lab) load(ctx context.Context, t *testing.T, b *books, role string, zip []byte) {
	client := l.lambda()
	var all sync.WaitGroup
	again := func(work func()) {
		all.Go(func() {
			for ctx.Err() == nil {
				work()
			}
		})
	}
	networks := []*types.VpcConfig{
		{SubnetIds: []string{"subnet-blue"}, SecurityGroupIds: []string{"sg-blue"}},
		{SubnetIds: []string{"subnet-green"}, SecurityGroupIds: []string{"sg-green"}},
	}
	for i := range 2 {
		again(func() {
			b.mu.Lock()
			b.next++
			name := fmt.Sprintf("f-%d", b.next)
			b.unknown[name] = true
			b.mu.Unlock()
			_, err := client.CreateFunction(ctx, &lambda.CreateFunctionInput{
				FunctionName: &name, Role: &role, Runtime: types.RuntimeProvidedal2023, Handler: aws.String("function.handler"),
				Code: &types.FunctionCode{ZipFile: zip}, Timeout: aws.Int32(10), VpcConfig: networks[i],
			})
			b.mu.Lock()
			defer b.mu.Unlock()
			if err == nil {
				delete(b.unknown, name)
				b.there[name] = true
			}
			if refusal := smithy.APIError(nil); errors.As(err, &refusal) {
				t.Errorf("create %s: %v", name, err)
			}
		})
		again(func() {
			name := "steady-" + []string{"shared", "legacy"}[i]
			if i == 1 {
				if other, ok := b.pick(); ok {
					name = other
				}
			}
			out, err := client.Invoke(ctx, &lambda.InvokeInput{FunctionName: &name, Payload: []byte(`{"whoami":"http://10.0.1.20/"}`)})
			if err == nil && out.FunctionError != nil && ctx.Err() == nil {
				t.Errorf("invoke %s: %s", name, out.Payload)
			}
			b.count(t, &b.served, "invoke "+name, err, "ResourceConflictException", "ResourceNotFoundException") // not ready yet, or deleted
		})
	}
	again(func() {
		b.mu.Lock()
		many := len(b.there) > 6
		b.mu.Unlock()
		name, ok := b.pick()
		if !ok || !many {
			select {
			case <-ctx.Done():
			case <-time.After(5 * time.Millisecond):
			}
			return
		}
		b.mu.Lock()
		delete(b.there, name)
		b.unknown[name] = true
		b.mu.Unlock()
		_, err := client.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: &name})
		if err == nil {
			b.mu.Lock()
			delete(b.unknown, name)
			b.gone[name] = true
			b.mu.Unlock()
		}
		b.count(t, new(int), "delete "+name, err)
	})
	again(func() { // changes to and fro
		mode := []string{"legacy", "shared"}[rand.IntN(2)]
		if _, err := l.run("mode", "steady-shared", mode); err == nil {
			b.count(t, &b.changed, "mode", nil)
		}
	})
	all.Wait()
}

// Whatever the daemon is doing when it is killed, the next one finds all that was promised and nothing else.
func TestKilledAgainAndAgain(t *testing.T) {
	t.Parallel()
	rounds := nstest.Times(10, 50)
	l := up(t, strings.ReplaceAll(two, "STORE", functions))
	role := l.role(t, "load", true)
	zip := try(os.ReadFile(filepath.Join(functions, "bash.zip")))(t) // small, so that there are many
	b := &books{there: map[string]bool{}, unknown: map[string]bool{}, gone: map[string]bool{}}
	mounts := l.mounts(t)
	servers := l.pids("resources")
	for round := range rounds {
		ctx, stop := context.WithCancel(t.Context())
		var load sync.WaitGroup
		before := b.invocations()
		load.Go(func() { l.load(ctx, t, b, role, zip) })
		if round%2 == 1 { // in full swing, however slow the machine is
			nstest.Eventually(t, time.Minute, func() error {
				if b.invocations() == before {
					return errors.New("nothing has been served yet")
				}
				return nil
			})
		}
		time.Sleep(time.Duration(20+rand.IntN(230)) * time.Millisecond) // the random moment
		l.kill()
		stop()
		load.Wait()
		began := time.Now()
		l.up()
		took := time.Since(began)
		l.settle(t)
		settled := time.Since(began)
		l.checkFunctions(t, b)
		l.checkInterfaces(t)
		interfaces := time.Since(began)
		l.checkLeaks(t, mounts)
		if all := time.Since(began); all > 5*time.Second {
			t.Logf("round %d took long: up %v, settled after %v, interfaces after %v, all after %v", round, took, settled, interfaces, all)
		}
		if now := l.pids("resources"); !maps.Equal(now, servers) {
			t.Errorf("servers were %v and are %v: they should have lived", servers, now)
		}
		if t.Failed() {
			t.Fatalf("after kill %d of %d; up took %v", round+1, rounds, took)
		}
	}
	t.Logf("%d functions created, %d deleted, %d invocations, %d changes of mode", b.next, len(b.gone), b.served, b.changed)
	if b.served < rounds/2 || rounds >= 100 && (len(b.gone) == 0 || b.changed == 0) {
		t.Error("that was no load")
	}
	for name := range b.there {
		out, err := l.lambda().Invoke(t.Context(), &lambda.InvokeInput{FunctionName: &name})
		if err != nil || out.FunctionError != nil {
			t.Errorf("invoke %s at last: %v %+v", name, err, out)
		}
	}
}

// settle waits until no function is on its way to another state.
func (l *lab) settle(t *testing.T) {
	t.Helper()
	nstest.Eventually(t, 20*time.Second, func() error {
		for _, f := range l.inspect("functions") {
			if f["state"] != "Active" || f["update"] == "InProgress" {
				return errorf("function %v is %v, its update %v", f["function"], f["state"], f["update"])
			}
		}
		return nil
	})
}

func (l *lab) checkFunctions(t *testing.T, b *books) {
	t.Helper()
	there := map[string]bool{}
	pages := lambda.NewListFunctionsPaginator(l.lambda(), &lambda.ListFunctionsInput{})
	for pages.HasMorePages() {
		for _, f := range try(pages.NextPage(t.Context()))(t).Functions {
			there[*f.FunctionName] = true
		}
	}
	for name := range b.there {
		if !there[name] {
			t.Errorf("function %s is lost", name)
		}
	}
	for name := range b.gone {
		if there[name] {
			t.Errorf("function %s was deleted and is back", name)
		}
	}
	for name := range b.unknown { // the client did not learn it then, and does now
		delete(b.unknown, name)
		if there[name] {
			b.there[name] = true
		}
	}
}

// checkInterfaces wants the API, the lab and the kernel to tell the same, and no address twice.
func (l *lab) checkInterfaces(t *testing.T) {
	t.Helper()
	nstest.Eventually(t, 20*time.Second, func() error { // what has ended leaves the kernel behind the answers
		api := map[string]string{}
		taken := map[string]string{}
		for _, i := range try(l.ec2().DescribeNetworkInterfaces(t.Context(), &ec2.DescribeNetworkInterfacesInput{}))(t).NetworkInterfaces {
			id := *i.NetworkInterfaceId
			api[id] = *i.VpcId
			key := *i.VpcId + " " + *i.PrivateIpAddress
			if taken[key] != "" {
				return errorf("%s and %s have %s", id, taken[key], key)
			}
			taken[key] = id
		}
		lists := map[string]string{}
		for _, what := range []string{"enis", "resources"} {
			for _, row := range l.inspect(what) {
				vpc, _ := row["vpc"].(string)
				if vpc == "" {
					vpc, _, _ = strings.Cut(row["resource"].(string), "/")
				}
				lists[row["eni"].(string)] = vpc
			}
		}
		if !maps.Equal(api, lists) {
			return errorf("the API says %v, inspect %v", api, lists)
		}
		kernel := map[string]string{}
		for _, vpc := range []string{"vpc-blue", "vpc-green"} {
			out, err := l.run("exec", vpc, "--", "ip", "-json", "link", "show", "type", "veth")
			if err != nil {
				return err
			}
			var links []struct{ Ifalias, Ifname string }
			if err := json.Unmarshal(out, &links); err != nil {
				return err
			}
			for _, link := range links {
				kernel[link.Ifalias] = vpc
			}
		}
		if !maps.Equal(api, kernel) {
			return errorf("the API says %v, the kernel %v", api, kernel)
		}
		return nil
	})
}

// pids are the processes of a table's rows.
func (l *lab) pids(what string) map[string]any {
	m := map[string]any{}
	for _, row := range l.inspect(what) {
		m[fmt.Sprint(row["resource"])] = row["pid"]
	}
	return m
}

// mounts counts those of the realm that are no pins.
func (l *lab) mounts(t *testing.T) int {
	t.Helper()
	out := try(l.run("exec", "hyperplane", "--", "cat", "/proc/1/mountinfo"))(t)
	n := 0
	for line := range strings.Lines(string(out)) {
		if !strings.Contains(line, " nsfs ") {
			n++
		}
	}
	return n
}

// checkLeaks compares what runs and what is pinned with what the lab says it has.
func (l *lab) checkLeaks(t *testing.T, mounts int) {
	t.Helper()
	nstest.Eventually(t, 20*time.Second, func() error {
		var pins []string
		for _, n := range l.inspect("nodes") {
			if pin, ok := n["pin"].(string); ok {
				pins = append(pins, pin)
			}
		}
		slices.Sort(pins)
		out := try(l.run("exec", "hyperplane", "--", "ls", "/run/netns"))(t)
		if have := strings.Fields(string(out)); !slices.Equal(have, pins) {
			return errorf("pinned are %v, nodes %v", have, pins)
		}
		if n := l.mounts(t); n != mounts {
			return errorf("%d mounts besides pins; there were %d", n, mounts)
		}
		slots := 0
		for _, s := range l.inspect("slots") {
			slots += int(s["ready"].(float64) + s["used"].(float64))
		}
		own, nested := l.processes(t)
		// The keeper, the daemon, its zygote, two servers, and the internet's.
		if len(own) != 6 || len(nested) != slots {
			return errorf("%d processes in the realm (%v) and %d environments (%v) for %d slots", len(own), own, len(nested), nested, slots)
		}
		if groups := l.groups(t); groups != slots {
			return errorf("%d control groups for %d slots", groups, slots)
		}
		return nil
	})
}

// processes are those in the realm's pid namespace, and the first ones of the namespaces in it.
func (l *lab) processes(t *testing.T) (own, nested []string) {
	t.Helper()
	realm := try(os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", l.KeeperPID)))(t)
	inRealm := map[string]bool{}
	var children []string
	for _, e := range try(os.ReadDir("/proc"))(t) {
		if _, err := strconv.Atoi(e.Name()); err != nil {
			continue
		}
		status, err := os.ReadFile(filepath.Join("/proc", e.Name(), "status"))
		if err != nil {
			continue
		}
		ns, err := os.Readlink(filepath.Join("/proc", e.Name(), "ns/pid"))
		if err != nil {
			continue // it has ended
		}
		var ids []string
		name := ""
		for line := range strings.Lines(string(status)) {
			if rest, ok := strings.CutPrefix(line, "NSpid:"); ok {
				ids = strings.Fields(rest)
			}
			if rest, ok := strings.CutPrefix(line, "Name:"); ok {
				name = strings.TrimSpace(rest)
			}
		}
		switch {
		case ns == realm:
			own = append(own, name+" "+e.Name())
			inRealm[e.Name()] = true
		case len(ids) >= 3 && ids[len(ids)-1] == "1":
			children = append(children, e.Name()+" "+name)
		}
	}
	for _, c := range children { // of this realm, not of another lab's
		pid, _, _ := strings.Cut(c, " ")
		stat, _ := os.ReadFile(filepath.Join("/proc", pid, "stat"))
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		if len(fields) > 1 && inRealm[fields[1]] {
			nested = append(nested, c)
		}
	}
	return own, nested
}

// groups counts the control groups of environments.
func (l *lab) groups(t *testing.T) int {
	t.Helper()
	most := 0
	for _, dir := range cgroupsOf(l.KeeperPID) {
		n := 0
		for _, e := range try(os.ReadDir(dir))(t) {
			if e.IsDir() {
				n++
			}
		}
		most = max(most, n) // one hierarchy stands for all
	}
	return most
}

// chatter keeps one connection to a server open, asks over it without end, and prints a line for each answer.
const chatter = `
import http.client, sys, time
c = http.client.HTTPConnection("10.0.1.20", 80, timeout=2)
c.connect()
mine = c.sock.getsockname()
while True:
    c.request("GET", "/")
    c.getresponse().read()
    assert c.sock.getsockname() == mine
    print("ok", flush=True)
    time.sleep(0.01)
`

// What flows through an ENI does not notice that the daemon dies. The next one takes over the same ENIs and servers.
func TestConnectionsOutliveTheDaemon(t *testing.T) {
	t.Parallel()
	l := up(t, strings.ReplaceAll(two, "STORE", functions))
	call := func() string {
		out := try(l.lambda().Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("steady-shared"), Payload: []byte(`{"whoami":"http://10.0.1.20/"}`)}))(t)
		if out.FunctionError != nil {
			t.Errorf("invoke: %s", out.Payload)
		}
		return string(out.Payload)
	}
	call()
	enis, servers := l.inspect("enis"), l.pids("resources")

	talk := exec.Command(enilab, "exec", "steady-shared/1", "--", "python3", "-c", chatter)
	talk.Env = append(os.Environ(), "ENILAB_HOME="+l.home)
	talk.Stderr = os.Stderr
	answers := try(talk.StdoutPipe())(t)
	if err := talk.Start(); err != nil {
		t.Fatal(err)
	}
	defer talk.Wait()
	defer talk.Process.Kill()
	lines := bufio.NewScanner(answers)
	hear := func(n int) {
		t.Helper()
		for i := range n {
			if !lines.Scan() {
				t.Fatalf("the connection broke after %d answers", i)
			}
		}
	}
	hear(10)
	code := *try(l.lambda().GetFunction(t.Context(), &lambda.GetFunctionInput{FunctionName: aws.String("steady-shared")}))(t).Code.Location
	l.kill()
	hear(100)
	l.up()
	after := l.inspect("enis")
	if len(enis) != 1 || len(after) != 1 || enis[0]["eni"] != after[0]["eni"] || enis[0]["address"] != after[0]["address"] {
		t.Errorf("ENIs were %v and are %v", enis, after)
	}
	if now := l.pids("resources"); !maps.Equal(now, servers) {
		t.Errorf("servers were %v and are %v", servers, now)
	}
	if a := call(); !strings.Contains(a, enis[0]["address"].(string)) {
		t.Errorf("after the recovery: %s", a)
	}
	res := try(http.Get(code))(t) // a URL of the former daemon's
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("the code that the former daemon showed: %s", res.Status)
	}
}

// The end of the keeper is that of the machine: nothing of the kernel is left, and the lab is built anew from its state.
func TestLabIsRebuiltWhenAllIsGone(t *testing.T) {
	l := up(t, strings.ReplaceAll(two, "STORE", functions))
	enis := l.inspect("enis")
	if err := syscall.Kill(l.KeeperPID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	nstest.Eventually(t, 10*time.Second, func() error {
		if s := l.list().Status; s != "down" {
			return errorf("list says %q", s)
		}
		return nil
	})
	l.up()
	after := l.inspect("enis")
	if len(after) != 1 || after[0]["eni"] != enis[0]["eni"] || after[0]["address"] != enis[0]["address"] {
		t.Errorf("ENIs were %v and are %v", enis, after)
	}
	for _, f := range []string{"steady-shared", "steady-legacy"} {
		out := try(l.lambda().Invoke(t.Context(), &lambda.InvokeInput{FunctionName: &f, Payload: []byte(`{"whoami":"http://10.0.1.20/"}`)}))(t)
		if out.FunctionError != nil {
			t.Errorf("%s: %s", f, out.Payload)
		}
	}
}

// A state file that cannot be trusted is refused by name, and stays as it is.
func TestCorruptStateIsRefused(t *testing.T) {
	l := up(t, empty)
	if out, err := l.run("down", "--keep-state"); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	db := filepath.Join(l.home, "state", l.name, "state.db")
	good := try(os.ReadFile(db))(t)
	bad := slices.Clone(good)
	for i := range bad[:512] {
		bad[i] ^= 0x5a
	}
	if err := os.WriteFile(db, bad, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := l.run("up", "--name", l.name, "-t", l.file, "--listen", "127.0.0.1:0")
	if err == nil || !strings.Contains(err.Error(), db) || !strings.Contains(err.Error(), "corrupt") {
		t.Errorf("up says %v", err)
	}
	if now := try(os.ReadFile(db))(t); !slices.Equal(now, bad) {
		t.Error("the file has changed")
	}
	if err := os.WriteFile(db, good, 0o600); err != nil {
		t.Fatal(err)
	}
	l.up()
}
