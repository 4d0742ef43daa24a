package daemon

import (
	"testing"

	"enilab/internal/ec2"
)

// `enilab inspect enis` shows what EC2 has changed of an interface.
func TestInspectShowsChanges(t *testing.T) {
	b := newBed(t, Settings{Internet: true})
	const network = "vpcs: {vpc-a: {cidr: 10.0.0.0/16, subnets: {subnet-a: 10.0.1.0/24}, securityGroups: {sg-a: {}}}}\n"
	if a := b.up(t.Context(), network, false); a.err != nil || len(a.failed) > 0 {
		t.Fatal(a)
	}
	made, err := b.ec2.CreateNetworkInterface(t.Context(), ec2.CreateNetworkInterfaceInput{SubnetID: "subnet-a", Description: "made"})
	must(t, err)
	for _, want := range []string{"made", "changed", ""} {
		must(t, b.ec2.ModifyNetworkInterfaceAttribute(t.Context(), ec2.ModifyNetworkInterfaceAttributeInput{NetworkInterfaceID: made.NetworkInterfaceID, Description: &want}))
		table, _ := b.inspect("enis")
		if len(table.Rows) != 1 || table.Rows[0]["description"] != want {
			t.Errorf("inspect shows %v, want the description %q", table.Rows, want)
		}
	}
}
