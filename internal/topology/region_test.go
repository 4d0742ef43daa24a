package topology

import "testing"

func TestRegion(t *testing.T) {
	for _, c := range []struct {
		lab, text, region, az string
		named                 bool
	}{
		{"", "", "us-east-1", "us-east-1a", false},
		{"", "region: eu-central-1\n", "eu-central-1", "eu-central-1a", true},
		{"lab-1", "", "lab-1", "lab-1a", false}, // of a lab that a former version made
		{"lab-1", "region: us-gov-west-1\n", "us-gov-west-1", "us-gov-west-1a", true},
	} {
		top, err := ParseIn(c.lab, "x.lab.yml", []byte(c.text+"vpcs: {vpc-a: {cidr: 10.0.0.0/16, subnets: {subnet-a: 10.0.1.0/24}}}"))
		if err != nil {
			t.Fatal(err)
		}
		if az := top.VPCs[0].Subnets[0].AZ; top.Region != c.region || az != c.az || top.NamesRegion() != c.named {
			t.Errorf("%+v: %s, %s, named %t", c, top.Region, az, top.NamesRegion())
		}
	}
	for name, want := range map[string]bool{
		"us-east-1": true, "us-gov-east-1": true, "us-isob-east-1": true, "eusc-de-east-1": true, "ap-southeast-2": true,
		"lab-1": false, "Frankfurt": false, "": false, "us-east-1a": false, "us-east-12": false, "\nus-east-1": false,
	} {
		if IsRegion(name) != want {
			t.Errorf("IsRegion(%q) = %t", name, !want)
		}
	}
}
