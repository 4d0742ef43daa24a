package aws_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"enilab/internal/testlab"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// A control plane that is confined to little memory is not ended by clients who send it much, and goes on serving others.
func TestLittleMemory(t *testing.T) {
	group := testlab.MemoryGroup(t, "memory", 90<<20)
	l := planned(t, t.TempDir(), "name: lab\nfunctions:\n  f: {code: go.zip}\n")
	l.confine(t, group)
	l.up()
	var open []net.Conn
	defer func() {
		for _, c := range open {
			c.Close()
		}
	}()
	half := strings.Repeat("1", 4<<20)
	for range 20 {
		c := try(net.Dial("tcp", l.Listen))(t)
		open = append(open, c)
		fmt.Fprintf(c, "POST /2015-03-31/functions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n"+
			"Authorization: AWS4-HMAC-SHA256 Credential=a/20261123/us-east-1/lambda/aws4_request, SignedHeaders=host, Signature=00\r\n\r\n%s", 2*len(half), half)
	}
	for range 20 {
		out := try(l.lambda().Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("f"), Payload: []byte("{}")}))(t)
		if out.FunctionError != nil {
			t.Fatalf("%s", out.Payload)
		}
	}
	if now := l.list(); now.Status != "up" || now.DaemonPID != l.DaemonPID {
		t.Errorf("the daemon was %d, and the lab is %+v", l.DaemonPID, now)
	}
}

// Nor is it by events that wait.
func TestLittleMemoryForEvents(t *testing.T) {
	group := testlab.MemoryGroup(t, "events", 90<<20)
	l := planned(t, t.TempDir(), "name: lab\nfunctions:\n  f: {code: go.zip}\n  waits: {code: go.zip, concurrency: 0}\n")
	l.confine(t, group)
	l.up()
	payload := []byte(`"` + strings.Repeat("1", 1<<20-2) + `"`)
	sent := 0
	for ; sent < 128; sent++ {
		_, err := l.lambda().Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("waits"), InvocationType: "Event", Payload: payload},
			func(o *lambda.Options) { o.RetryMaxAttempts = 1 })
		if throttled := new(types.TooManyRequestsException); errors.As(err, &throttled) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if sent < 1 || sent > 16 {
		t.Errorf("%d events of 1 MiB wait, where there are 90 in all", sent)
	}
	if out := try(l.lambda().Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("f"), Payload: []byte("{}")}))(t); out.FunctionError != nil {
		t.Errorf("%s", out.Payload)
	}
	if now := l.list(); now.Status != "up" || now.DaemonPID != l.DaemonPID {
		t.Errorf("the daemon was %d, and the lab is %+v", l.DaemonPID, now)
	}
}

// confine has the lab's program run in a control group.
func (l *lab) confine(t *testing.T, group string) {
	t.Helper()
	l.program = filepath.Join(t.TempDir(), "confined")
	script := fmt.Sprintf("#!/bin/sh\necho 0 >%s/cgroup.procs && exec %s \"$@\"\n", group, enilab)
	if err := os.WriteFile(l.program, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
}
