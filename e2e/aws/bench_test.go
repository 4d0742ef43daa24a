package aws_test

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// warmClients are as many as one function serves at once here.
const warmClients = 16

// BenchmarkWarmInvocations measures warm invocations through the AWS wire: 16 clients, each on a connection of its own,
// as many environments. What a client does costs as little as can be, because it shares the processors with what is
// measured.
func BenchmarkWarmInvocations(b *testing.B) {
	l := up(b, strings.ReplaceAll(two, "STORE", functions))
	callers := make([]*caller, warmClients)
	for i := range callers {
		callers[i] = dial(b, l.Listen)
		defer callers[i].conn.Close()
	}
	together := func(n int) (took []time.Duration) {
		took = make([]time.Duration, n)
		var next atomic.Int64
		var all sync.WaitGroup
		for _, c := range callers {
			all.Go(func() {
				for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
					began := time.Now()
					if err := c.invoke(); err != nil {
						b.Errorf("invocation %d is lost: %v", i, err)
						return
					}
					took[i] = time.Since(began)
				}
			})
		}
		all.Wait()
		return took
	}
	together(20 * warmClients) // cold starts
	b.ResetTimer()
	took := together(b.N)
	b.StopTimer()
	slices.Sort(took)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "invocations/s")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1e3, "p99-ms")
}

// caller invokes over one connection.
type caller struct {
	conn    net.Conn
	read    *bufio.Reader
	request []byte
}

func dial(b *testing.B, address string) *caller {
	b.Helper()
	conn := try(net.Dial("tcp", address))(b)
	request := "POST /2015-03-31/functions/steady-shared/invocations HTTP/1.1\r\nHost: lab\r\nContent-Length: 2\r\n\r\n{}"
	return &caller{conn, bufio.NewReader(conn), []byte(request)}
}

// invoke sends an event and wants the function's own answer.
func (c *caller) invoke() error {
	if _, err := c.conn.Write(c.request); err != nil {
		return err
	}
	length := -1
	for first := true; ; first = false {
		line, err := c.read.ReadSlice('\n')
		if err != nil {
			return err
		}
		line = bytes.TrimSpace(line)
		name, value, _ := bytes.Cut(line, []byte(": "))
		switch {
		case first && string(line) != "HTTP/1.1 200 OK", bytes.EqualFold(name, []byte("X-Amz-Function-Error")):
			return errorf("%s", line)
		case bytes.EqualFold(name, []byte("Content-Length")):
			length = int(value[0] - '0')
			for _, digit := range value[1:] {
				length = 10*length + int(digit-'0')
			}
		}
		if len(line) == 0 {
			break
		}
	}
	body, err := c.read.Peek(length)
	if err != nil {
		return err
	}
	if !bytes.Contains(body, []byte(`"runtime":"go"`)) {
		return errorf("answer %q", body)
	}
	_, err = c.read.Discard(length)
	return err
}

// BenchmarkThousandFunctions measures how long `up` takes for a lab of a thousand functions, and what its daemon then
// holds.
func BenchmarkThousandFunctions(b *testing.B) {
	var text strings.Builder
	text.WriteString(strings.ReplaceAll(two, "STORE", functions))
	for i := range 1000 {
		fmt.Fprintf(&text, "  f-%d: {code: go.zip, vpc: {subnets: [subnet-%[2]s], securityGroups: [sg-%[2]s]}}\n", i, []string{"blue", "green"}[i%2])
	}
	for b.Loop() {
		began := time.Now()
		l := up(b, text.String())
		b.ReportMetric(time.Since(began).Seconds(), "up-s")
		b.ReportMetric(resident(b, l.DaemonPID), "daemon-MB")
		l.kill()
		began = time.Now()
		l.up()
		b.ReportMetric(time.Since(began).Seconds(), "recovery-s")
		l.down()
	}
}

// resident is a process's memory in MB: what it alone holds and what it shares.
func resident(b *testing.B, pid int) float64 {
	b.Helper()
	status := try(os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status")))(b)
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb := try(strconv.Atoi(strings.Fields(rest)[0]))(b)
			return float64(kb) / 1024
		}
	}
	b.Fatalf("process %d tells no memory", pid)
	return 0
}
