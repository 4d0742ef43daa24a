package ec2

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// AvailabilityZone is a zone as DescribeAvailabilityZones shows it. Its state is always "available".
type AvailabilityZone struct {
	ZoneName   string
	ZoneID     string
	RegionName string
}

// zoneKind is how availability zones are asked for.
func zoneKind() kind[AvailabilityZone] {
	return kind[AvailabilityZone]{
		id: func(z AvailabilityZone) string { return z.ZoneName },
		attributes: attributes[AvailabilityZone]{
			"zone-name":        one(func(z AvailabilityZone) string { return z.ZoneName }),
			"zone-id":          one(func(z AvailabilityZone) string { return z.ZoneID }),
			"region-name":      one(func(z AvailabilityZone) string { return z.RegionName }),
			"group-name":       one(func(z AvailabilityZone) string { return z.RegionName }),
			"state":            same[AvailabilityZone]("available"),
			"zone-type":        same[AvailabilityZone]("availability-zone"),
			"opt-in-status":    same[AvailabilityZone]("opt-in-not-required"),
			"message":          absent[AvailabilityZone],
			"parent-zone-id":   absent[AvailabilityZone],
			"parent-zone-name": absent[AvailabilityZone],
			"group-long-name":  absent[AvailabilityZone],
		},
	}
}

// DescribeAvailabilityZones shows the zones; IDs are zone names.
func (s *Service) DescribeAvailabilityZones(q Query) (Page[AvailabilityZone], error) {
	var all []AvailabilityZone
	for _, name := range slices.Sorted(slices.Values(s.AZs)) {
		all = append(all, AvailabilityZone{ZoneName: name, ZoneID: s.zoneID(name), RegionName: s.Region})
	}
	for _, id := range q.IDs {
		if !slices.Contains(s.AZs, id) {
			return Page[AvailabilityZone]{}, refuse(InvalidParameterValue, "Invalid availability zone: [%s]", id)
		}
	}
	return describe(zoneKind(), all, q)
}

// zoneID is a zone's name in all accounts, such as use1-az1 of us-east-1a.
func (s *Service) zoneID(name string) string {
	return fmt.Sprintf("%s-az%d", shortRegion(s.Region), slices.Index(s.AZs, name)+1)
}

// shortRegion is a Region as the ids of its zones begin: use1 for us-east-1, apne1 for ap-northeast-1.
// https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-availability-zones.html
func shortRegion(region string) string {
	short := strings.NewReplacer("-gov", "g", "-iso", "i", "northeast", "ne", "northwest", "nw", "southeast", "se", "southwest", "sw",
		"north", "n", "south", "s", "east", "e", "west", "w", "central", "c")
	return strings.ReplaceAll(short.Replace(region), "-", "")
}

// privateDNSName is the name of an address: in us-east-1 it has no Region.
// https://docs.aws.amazon.com/vpc/latest/userguide/vpc-dns.html#vpc-dns-hostnames
func (s *Service) privateDNSName(a netip.Addr) string {
	domain := s.Region + ".compute.internal"
	if s.Region == "us-east-1" {
		domain = "ec2.internal"
	}
	return "ip-" + strings.ReplaceAll(a.String(), ".", "-") + "." + domain
}

// Region is a Region as DescribeRegions shows it.
type Region struct {
	RegionName string
	Endpoint   string
}

// regionKind is how Regions are asked for.
func regionKind() kind[Region] {
	return kind[Region]{
		id: func(r Region) string { return r.RegionName },
		attributes: attributes[Region]{
			"region-name":   one(func(r Region) string { return r.RegionName }),
			"endpoint":      one(func(r Region) string { return r.Endpoint }),
			"opt-in-status": same[Region]("opt-in-not-required"),
		},
	}
}

// DescribeRegions shows the lab's only Region; IDs are names.
func (s *Service) DescribeRegions(q Query) (Page[Region], error) {
	for _, id := range q.IDs {
		if id != s.Region {
			return Page[Region]{}, refuse(InvalidParameterValue, "Invalid region: [%s]", id)
		}
	}
	return describe(regionKind(), []Region{{s.Region, "ec2." + s.Region + ".amazonaws.com"}}, q)
}

// AccountAttribute is one of what DescribeAccountAttributes shows.
type AccountAttribute struct {
	AttributeName   string
	AttributeValues []string
}

// DescribeAccountAttributes shows what the account may use.
func (s *Service) DescribeAccountAttributes(names ...string) (list []AccountAttribute, err error) {
	for _, a := range []AccountAttribute{
		{"default-vpc", []string{"none"}},
		{"supported-platforms", []string{"VPC"}},
		{"vpc-max-security-groups-per-interface", []string{strconv.Itoa(maxGroupsPerInterface)}},
	} {
		if len(names) == 0 || slices.Contains(names, a.AttributeName) {
			list = append(list, a)
		}
	}
	if len(list) < len(names) {
		return nil, refuse(InvalidParameterValue, "Value (%s) for parameter attributeName is invalid.", strings.Join(names, ", "))
	}
	return list, nil
}
