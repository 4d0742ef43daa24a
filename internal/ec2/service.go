// Package ec2 is the control plane of customers' networks: VPCs, subnets, security groups and network interfaces, which
// netlab makes in the kernel. It knows no wire format.
package ec2

import (
	"cmp"
	"slices"
	"strings"
	"sync"

	"enilab/internal/events"
	"enilab/internal/state"
	"enilab/netlab"
)

// Config is what the control plane works with. It owns none of it.
type Config struct {
	Network *netlab.Lab // where networks are made; if it has Keep, they outlive the control plane
	State   *state.DB   // what the networks are, for the next start; nil: nothing is kept
	Events  *events.Bus // nil: nobody is told
	Account string      // empty means "123456789012"
	Region  string      // empty means "us-east-1"
	AZs     []string    // availability zones; nil means the Region's a to f, as topologies have them
	Quotas  Quotas
}

// Quotas bounds what customers may make by the API. Zero fields mean AWS's value. What a topology declares is not bound.
// https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html
type Quotas struct {
	VPCs          int // of the Region; zero means 5
	SubnetsPerVPC int // zero means 200
	Groups        int // security groups of the Region; zero means 2,500
	RulesPerGroup int // in each direction; zero means 60
}

// AWS's values.
const (
	defaultVPCs          = 5
	defaultSubnetsPerVPC = 200
	defaultGroups        = 2500
	defaultRulesPerGroup = 60
)

// Service is the control plane. All methods are safe for concurrent use.
//
// What it knows of is also in the kernel, and in the state. Something new comes into the state first, and what is removed
// leaves it last: so what is in the state is what should be, whenever the lab is killed.
type Service struct {
	Config

	change sync.Mutex // held by whoever changes anything, over all of the change

	mu         sync.RWMutex // guards all below; who holds change may read without it
	vpcs       *shelf[Vpc]
	subnets    *shelf[Subnet]
	groups     *shelf[SecurityGroup]
	interfaces *shelf[standalone]
	tags       *shelf[map[string]string] // resource id → key → value
}

// New starts a control plane without networks.
func New(c Config) *Service {
	c.Account = cmp.Or(c.Account, "123456789012")
	c.Region = cmp.Or(c.Region, "us-east-1")
	if c.AZs == nil {
		for letter := 'a'; letter <= 'f'; letter++ {
			c.AZs = append(c.AZs, c.Region+string(letter))
		}
	}
	c.Quotas.VPCs = cmp.Or(c.Quotas.VPCs, defaultVPCs)
	c.Quotas.SubnetsPerVPC = cmp.Or(c.Quotas.SubnetsPerVPC, defaultSubnetsPerVPC)
	c.Quotas.Groups = cmp.Or(c.Quotas.Groups, defaultGroups)
	c.Quotas.RulesPerGroup = cmp.Or(c.Quotas.RulesPerGroup, defaultRulesPerGroup)
	return &Service{
		Config:     c,
		vpcs:       newShelf[Vpc](c.State, "vpcs"),
		subnets:    newShelf[Subnet](c.State, "subnets"),
		groups:     newShelf[SecurityGroup](c.State, "security-groups"),
		interfaces: newShelf[standalone](c.State, "interfaces"),
		tags:       newShelf[map[string]string](c.State, "tags"),
	}
}

// newID checks an id that was given, or makes one in AWS's form.
func newID[T any](given, prefix string, taken *shelf[T]) (string, error) {
	if given == "" {
		return netlab.NewID(prefix), nil
	}
	_, exists := taken.all[given]
	switch {
	case !strings.HasPrefix(given, prefix) || len(given) > maxID || given[len(given)-1] == '-' || strings.IndexFunc(given, notInID) >= 0:
		return "", refuse(InvalidParameterValue, "Value (%s) for an ID is invalid: it begins with %s, has up to %d of a-z, 0-9 and '-' and does not end in '-'", given, prefix, maxID)
	case exists:
		return "", refuse(InvalidParameterValue, "Value (%s) for an ID is invalid: there is one already", given)
	}
	return given, nil
}

const maxID = 40 // as in topologies

func notInID(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' }

// sortedValues lists a shelf by id. The caller holds mu or change.
func sortedValues[T any](sh *shelf[T]) []T {
	ids := make([]string, 0, len(sh.all))
	for id := range sh.all {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	values := make([]T, len(ids))
	for i, id := range ids {
		values[i] = sh.all[id]
	}
	return values
}
