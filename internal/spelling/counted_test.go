package spelling

import "testing"

func TestCounted(t *testing.T) {
	for want, got := range map[string]string{
		"0 VPCs": Counted(0, "VPC"), "1 VPC": Counted(1, "VPC"), "2 VPCs": Counted(2, "VPC"),
		"1 address": Counted(1, "address"), "21 addresses": Counted(21, "address"), "0 processes ended": Counted(0, "process") + " ended",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
