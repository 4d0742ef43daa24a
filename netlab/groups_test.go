package netlab

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"enilab/internal/nstest"

	"golang.org/x/sys/unix"
)

func testVPC(t *testing.T) *VPC {
	t.Helper()
	nstest.NeedRoot(t)
	v, err := NewVPC(t.Context(), VPCSpec{ID: "vpc-a", CIDR: netip.MustParsePrefix("10.0.0.0/16"), SecurityGroups: []SecurityGroupSpec{{ID: "sg-a"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })
	return v
}

// TestCommitIsNotCutOff: who asked for a change goes away while it is made. Kernel and books agree.
func TestCommitIsNotCutOff(t *testing.T) {
	nstest.NoLeaks(t)
	v := testVPC(t)
	if err := v.UseGroups(t.Context(), []string{"sg-a"}); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	begun, goOn := filepath.Join(dir, "begun"), filepath.Join(dir, "go-on")
	real, err := exec.LookPath("iptables-restore")
	if err != nil {
		t.Fatal(err)
	}
	for _, fifo := range []string{begun, goOn} {
		if err := unix.Mkfifo(fifo, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	script := fmt.Sprintf("#!/bin/sh\necho > %s\nread line < %s\nexec %s \"$@\"\n", begun, goOn, real)
	if err := os.WriteFile(filepath.Join(dir, "iptables-restore"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	path := os.Getenv("PATH")
	t.Setenv("PATH", dir+":"+path)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- v.SetSecurityGroup(ctx, SecurityGroupSpec{ID: "sg-a", Ingress: []Rule{All}}) }()
	if _, err := os.ReadFile(begun); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := os.WriteFile(goOn, []byte("\n"), 0); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("the change was cut off: %v", err)
	}
	t.Setenv("PATH", path)
	if found, err := v.Check(t.Context()); err != nil || len(found) > 0 {
		t.Errorf("kernel and books differ: %v, %v", found, err)
	}
	if text := v.planLocked().text(); !strings.Contains(text, "-A in-16 -m comment --comment sg-a -j ACCEPT") {
		t.Errorf("the change is not in\n%s", text)
	}
}

// TestDeleteAgain: an interface whose link the kernel does not delete is not forgotten.
func TestDeleteAgain(t *testing.T) {
	nstest.NoLeaks(t)
	v := testVPC(t)
	if err := v.AddSubnet(SubnetSpec{ID: "subnet-a", CIDR: netip.MustParsePrefix("10.0.1.0/24")}); err != nil {
		t.Fatal(err)
	}
	i, err := v.NewInterface(t.Context(), InterfaceSpec{Subnet: "subnet-a", SecurityGroups: []string{"sg-a"}})
	if err == nil {
		err = i.Create()
	}
	if err != nil {
		t.Fatal(err)
	}
	link := i.link
	i.link = loopback // which nobody can delete
	if err := i.Delete(); err == nil || len(v.Interfaces()) != 1 {
		t.Errorf("%v, and %d interfaces are known", err, len(v.Interfaces()))
	}
	i.link = link
	if err := i.Delete(); err != nil || len(v.Interfaces()) != 0 {
		t.Errorf("again: %v, and %d interfaces are known", err, len(v.Interfaces()))
	}
}
