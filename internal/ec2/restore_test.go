package ec2_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"syscall"
	"testing"
	"time"

	"enilab/internal/ec2"
	"enilab/internal/nstest"
	"enilab/internal/state"
	"enilab/netlab"
)

// everything is all that a control plane shows.
func everything(t *testing.T, s *ec2.Service) []any {
	t.Helper()
	return []any{
		get(s.DescribeVpcs(ec2.Query{}))(t), get(s.DescribeSubnets(ec2.Query{}))(t), get(s.DescribeSecurityGroups(ec2.Query{}))(t),
		get(s.DescribeSecurityGroupRules(ec2.Query{}))(t), get(s.DescribeNetworkInterfaces(ec2.Query{}))(t), get(s.DescribeTags(ec2.Query{}))(t),
	}
}

// After a reboot nothing of the kernel is left, and all of it is built from the state.
func TestNetworksAreRebuilt(t *testing.T) {
	b := newBed(t)
	vpc, twin := b.vpc(t, "10.0.0.0/16"), b.vpc(t, "10.0.0.0/16")
	sub := b.subnet(t, vpc, "10.0.1.0/24")
	b.subnet(t, twin, "10.0.1.0/24")
	web := b.group(t, vpc, "web")
	must(t, only(b.AuthorizeSecurityGroupIngress(t.Context(), ec2.AuthorizeInput{GroupID: web, IPPermissions: []ec2.IPPermission{tcp(80, "10.0.0.0/16")}, Tags: map[string]string{"a": "b"}})))
	must(t, only(b.CreateNetworkInterface(t.Context(), ec2.CreateNetworkInterfaceInput{SubnetID: sub, Groups: []string{web}, PrivateIPAddress: netip.MustParseAddr("10.0.1.9")})))
	before := everything(t, b.Service)
	must(t, b.Network.Close())

	c := b.Config
	c.Network = netlab.NewLab()
	t.Cleanup(func() { must(t, c.Network.Close()) })
	again := ec2.New(c)
	must(t, again.Restore(t.Context()))
	if after := everything(t, again); !reflect.DeepEqual(after, before) {
		t.Errorf("before: %+v\nafter: %+v", before, after)
	}
	must(t, agree(again))
	after := &bed{Service: again}
	server := after.host(t, vpc, netlab.InterfaceSpec{Subnet: sub, SecurityGroups: []string{web}})
	caller := after.host(t, vpc, netlab.InterfaceSpec{Subnet: sub, SecurityGroups: []string{web}})
	if at := server.serve(t, 80); !caller.reaches(at, true) {
		t.Error("the rules are not what they were")
	}
}

// What the kernel could not do, here for want of iptables, is neither shown nor kept.
func TestWhatFailsLeavesNothing(t *testing.T) {
	b := newBed(t)
	vpc := b.vpc(t, "10.0.0.0/16")
	sub, web := b.subnet(t, vpc, "10.0.1.0/24"), b.group(t, vpc, "web")
	before := everything(t, b.Service)
	ctx, path := t.Context(), os.Getenv("PATH")
	t.Setenv("PATH", t.TempDir())
	for what, err := range map[string]error{
		"vpc":       only(b.CreateVpc(ctx, ec2.CreateVpcInput{CidrBlock: "10.0.0.0/16"})),
		"group":     only(b.CreateSecurityGroup(ctx, ec2.CreateSecurityGroupInput{GroupName: "x", Description: "x", VpcID: vpc})),
		"rule":      only(b.AuthorizeSecurityGroupIngress(ctx, ec2.AuthorizeInput{GroupID: web, IPPermissions: []ec2.IPPermission{tcp(80, web)}})),
		"revoking":  only(b.RevokeSecurityGroupEgress(ctx, ec2.RevokeInput{GroupID: web, IPPermissions: []ec2.IPPermission{{IPProtocol: "-1", IPRanges: []ec2.IPRange{{CidrIP: "0.0.0.0/0"}}}}})),
		"deletion":  b.DeleteSecurityGroup(ctx, web),
		"interface": only(b.CreateNetworkInterface(ctx, ec2.CreateNetworkInterfaceInput{SubnetID: sub, Groups: []string{web}})), // a new set of groups
	} {
		if refusal := new(ec2.Error); !errors.As(err, &refusal) || refusal.Code != ec2.InternalError || refusal.Status() != 500 {
			t.Errorf("%s: %v", what, err)
		}
	}
	t.Setenv("PATH", path)
	if after := everything(t, b.Service); !reflect.DeepEqual(after, before) {
		t.Errorf("before: %+v\nafter: %+v", before, after)
	}
	must(t, agree(b.Service))
	must(t, b.Network.Close())
	c := b.Config
	c.Network = netlab.NewLab()
	t.Cleanup(func() { must(t, c.Network.Close()) })
	again := ec2.New(c)
	must(t, again.Restore(t.Context()))
	if kept := everything(t, again); !reflect.DeepEqual(kept, before) {
		t.Errorf("before: %+v\nkept: %+v", before, kept)
	}
}

// A request that is repeated after a restart of the control plane, with the token that it had, makes nothing new.
func TestTokensOutliveTheControlPlane(t *testing.T) {
	b := newBed(t)
	sub := b.subnet(t, b.vpc(t, "10.0.0.0/16"), "10.0.1.0/24")
	in := ec2.CreateNetworkInterfaceInput{SubnetID: sub, ClientToken: "once", Tags: map[string]string{"a": "b"}}
	made := get(b.CreateNetworkInterface(t.Context(), in))(t)
	must(t, b.Network.Close())
	c := b.Config
	c.Network = netlab.NewLab()
	t.Cleanup(func() { must(t, c.Network.Close()) })
	again := ec2.New(c)
	must(t, again.Restore(t.Context()))
	if v := get(again.CreateNetworkInterface(t.Context(), in))(t); v.NetworkInterfaceID != made.NetworkInterfaceID {
		t.Errorf("made %s, then %s", made.NetworkInterfaceID, v.NetworkInterfaceID)
	}
	in.Tags = nil
	wantCode(t, only(again.CreateNetworkInterface(t.Context(), in)), ec2.IdempotentParameterMismatch)
	must(t, again.DeleteNetworkInterface(made.NetworkInterfaceID))
	if v := get(again.CreateNetworkInterface(t.Context(), in))(t); v.NetworkInterfaceID == made.NetworkInterfaceID {
		t.Error("the interface is back")
	}
}

// A client that goes away in the midst leaves no rule in the kernel that nobody knows of: what it asked for is done.
func TestTheClientGoes(t *testing.T) {
	b := newBed(t)
	vpc := b.vpc(t, "10.0.0.0/16")
	sub, web := b.subnet(t, vpc, "10.0.1.0/24"), b.group(t, vpc, "web")
	server := b.host(t, vpc, netlab.InterfaceSpec{Subnet: sub, SecurityGroups: []string{web}})
	at := server.serve(t, 80)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	must(t, only(b.AuthorizeSecurityGroupIngress(gone, ec2.AuthorizeInput{GroupID: web, IPPermissions: []ec2.IPPermission{tcp(80, web)}})))
	if !b.host(t, vpc, netlab.InterfaceSpec{Subnet: sub, SecurityGroups: []string{web}}).reaches(at, true) {
		t.Error("the rule is shown and does not hold")
	}
	must(t, only(b.CreateNetworkInterface(gone, ec2.CreateNetworkInterfaceInput{SubnetID: sub, Groups: []string{b.group(t, vpc, "other")}})))
	must(t, only(b.RevokeSecurityGroupIngress(gone, ec2.RevokeInput{GroupID: web, IPPermissions: []ec2.IPPermission{tcp(80, web)}})))
	if b.host(t, vpc, netlab.InterfaceSpec{Subnet: sub, SecurityGroups: []string{web}}).reaches(at, false) {
		t.Error("the rule is not shown any more and holds")
	}
	must(t, b.DeleteSecurityGroup(gone, b.group(t, vpc, "unused")))
	must(t, agree(b.Service))

	made := get(b.CreateVpc(gone, ec2.CreateVpcInput{CidrBlock: "10.1.0.0/16"}))(t)
	if b.Network.VPC(made.VpcID) == nil {
		t.Errorf("%s is shown and not there", made.VpcID)
	}
	ask := ec2.CreateSecurityGroupInput{GroupName: "more", Description: "more", VpcID: vpc}
	more := get(b.CreateSecurityGroup(gone, ask))(t).GroupID
	let := ec2.AuthorizeInput{GroupID: more, IPPermissions: []ec2.IPPermission{tcp(80, web)}}
	rule := get(b.AuthorizeSecurityGroupIngress(gone, let))(t)[0].SecurityGroupRuleID
	must(t, b.ModifySecurityGroupRules(gone, more, []ec2.ModifyRule{{SecurityGroupRuleID: rule, Permission: tcp(81, web)}}))
	must(t, b.SetSecurityGroupRules(gone, more, []ec2.IPPermission{tcp(82, web)}, nil))
	own := get(b.CreateNetworkInterface(gone, ec2.CreateNetworkInterfaceInput{SubnetID: sub}))(t).NetworkInterfaceID
	change := ec2.ModifyNetworkInterfaceAttributeInput{NetworkInterfaceID: own, Groups: []string{more, web}}
	must(t, b.ModifyNetworkInterfaceAttribute(gone, change))
	must(t, agree(b.Service))
}

// Whenever the control plane is killed, the next one finds in the kernel what the state says, and nothing else.
func TestControlPlaneIsKilledAtAnyMoment(t *testing.T) {
	if !inRealm(t) {
		return
	}
	nstest.NoLeaks(t)
	file := filepath.Join(t.TempDir(), "state")
	for range 12 {
		kill := start(t, file)
		time.Sleep(time.Duration(rand.IntN(120)) * time.Millisecond)
		kill()
	}
	db, err := state.Open(file)
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	s, err := restored(db)
	must(t, err)
	t.Logf("%d VPCs in the end", len(s.Network.VPCs()))
	must(t, s.Network.Close())
	if left, _ := os.ReadDir("/run/netns"); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func restored(db *state.DB) (*ec2.Service, error) {
	lab := netlab.NewLab()
	lab.Keep = true
	s := ec2.New(ec2.Config{Network: lab, State: db, Quotas: ec2.Quotas{VPCs: 4}})
	if err := s.Restore(context.Background()); err != nil {
		return nil, err
	}
	var vpcs, pins []string
	for id, vpc := range lab.VPCs() {
		vpcs = append(vpcs, id)
		if _, err := vpc.Sweep(); err != nil {
			return nil, err
		}
	}
	entries, _ := os.ReadDir("/run/netns")
	for _, e := range entries {
		pins = append(pins, e.Name())
	}
	if slices.Sort(vpcs); !slices.Equal(vpcs, pins) {
		return nil, fmt.Errorf("VPCs %v, but pinned %v", vpcs, pins)
	}
	return s, agree(s)
}

// churn is a control plane that restores what is there, says so, and then changes this and that.
func churn(file string) error {
	db, err := state.Open(file)
	if err != nil {
		return err
	}
	s, err := restored(db)
	if err != nil {
		return err
	}
	fmt.Println("restored")
	for {
		err := changeSomething(s)
		if refusal := new(ec2.Error); err != nil && (!errors.As(err, &refusal) || refusal.Code == ec2.InternalError) {
			return err
		}
	}
}

func changeSomething(s *ec2.Service) error {
	ctx := context.Background()
	vpcs, _ := s.DescribeVpcs(ec2.Query{})
	if len(vpcs.Items) == 0 || rand.IntN(6) == 0 {
		return only(s.CreateVpc(ctx, ec2.CreateVpcInput{CidrBlock: "10.0.0.0/16", Tags: map[string]string{"a": "b"}}))
	}
	vpc := vpcs.Items[rand.IntN(len(vpcs.Items))].VpcID
	subnets, _ := s.DescribeSubnets(where("vpc-id", vpc))
	groups, _ := s.DescribeSecurityGroups(where("vpc-id", vpc))
	interfaces, _ := s.DescribeNetworkInterfaces(where("vpc-id", vpc))
	group := groups.Items[rand.IntN(len(groups.Items))]
	switch what := rand.IntN(8); {
	case what == 0:
		return s.DeleteVpc(vpc)
	case what == 1 || len(subnets.Items) == 0:
		return only(s.CreateSubnet(ec2.CreateSubnetInput{VpcID: vpc, CidrBlock: fmt.Sprintf("10.0.%d.0/24", rand.IntN(4))}))
	case what == 2:
		return s.DeleteSubnet(subnets.Items[0].SubnetID)
	case what == 3:
		return only(s.CreateSecurityGroup(ctx, ec2.CreateSecurityGroupInput{GroupName: fmt.Sprint("g", rand.IntN(4)), Description: "d", VpcID: vpc}))
	case what == 4:
		return s.DeleteSecurityGroup(ctx, group.GroupID)
	case what == 5:
		return only(s.AuthorizeSecurityGroupIngress(ctx, ec2.AuthorizeInput{GroupID: group.GroupID, IPPermissions: []ec2.IPPermission{tcp(1+rand.IntN(20), "10.0.0.0/8")}}))
	case what == 6 && len(interfaces.Items) > 0:
		return s.DeleteNetworkInterface(interfaces.Items[0].NetworkInterfaceID)
	default:
		return only(s.CreateNetworkInterface(ctx, ec2.CreateNetworkInterfaceInput{SubnetID: subnets.Items[0].SubnetID, Groups: []string{group.GroupID}}))
	}
}

// start runs this program as a control plane until kill.
func start(t *testing.T, file string) (kill func()) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "churn", file)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	kill = func() {
		cmd.Process.Kill()
		cmd.Wait()
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		kill()
		t.Fatalf("the control plane failed: %v", err)
	}
	return kill
}

const realmVariable = "EC2_TEST_REALM"

// inRealm runs the calling test once more, as the first process of pid and mount namespaces of its own, where pins are
// nobody else's. There it returns true.
func inRealm(t *testing.T) bool {
	t.Helper()
	nstest.NeedRoot(t)
	if os.Getenv(realmVariable) != "" {
		must(t, syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""))
		must(t, syscall.Mount("proc", "/proc", "proc", 0, ""))
		must(t, syscall.Mount("tmpfs", "/run", "tmpfs", 0, "mode=755"))
		return true
	}
	again := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.v", "-test.run=^"+regexp.QuoteMeta(t.Name())+"$")
	again.Env = append(os.Environ(), realmVariable+"=1")
	again.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS}
	if out, err := again.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	} else {
		t.Logf("%s", out)
	}
	return false
}
