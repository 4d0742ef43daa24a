package ec2

import "testing"

func TestShortRegion(t *testing.T) {
	for region, want := range map[string]string{
		"us-east-1": "use1", "eu-central-1": "euc1", "ap-northeast-3": "apne3", "ap-southeast-2": "apse2", "us-gov-west-1": "usgw1", "sa-east-1": "sae1", "me-south-1": "mes1",
	} {
		if got := shortRegion(region); got != want {
			t.Errorf("%s: %s, want %s", region, got, want)
		}
	}
}
