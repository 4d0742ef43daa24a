package aws_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

// memoryGroup makes a control group for so many bytes of memory.
func memoryGroup(t *testing.T, bytes int) (dir string) {
	t.Helper()
	for _, limit := range []string{"/sys/fs/cgroup/memory/GROUP/memory.limit_in_bytes", "/sys/fs/cgroup/GROUP/memory.max"} {
		file := strings.Replace(limit, "GROUP", fmt.Sprintf("enilab-test-memory-%d", os.Getpid()), 1)
		if os.Mkdir(filepath.Dir(file), 0o755) != nil {
			continue // not this machine's version
		}
		t.Cleanup(func() {
			if err := os.Remove(filepath.Dir(file)); err != nil {
				t.Error(err)
			}
		})
		f, err := os.OpenFile(file, os.O_WRONLY, 0)
		if err != nil {
			continue // the root does not hand memory on
		}
		defer f.Close()
		if _, err := fmt.Fprint(f, bytes); err != nil {
			t.Fatal(err)
		}
		return filepath.Dir(file)
	}
	t.Skip("no control groups limit memory here")
	return ""
}

// A control plane that is confined to little memory is not ended by clients who send it much, and goes on serving others.
func TestLittleMemory(t *testing.T) {
	group := memoryGroup(t, 90<<20)
	l := planned(t, t.TempDir(), "name: lab\nfunctions:\n  f: {code: go.zip}\n")
	l.program = filepath.Join(t.TempDir(), "confined")
	script := fmt.Sprintf("#!/bin/sh\necho 0 >%s/cgroup.procs && exec %s \"$@\"\n", group, enilab)
	if err := os.WriteFile(l.program, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
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
