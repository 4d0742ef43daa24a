package lambda

import (
	"cmp"
	"time"

	"enilab/nat"
	"enilab/sandbox"
)

// Quotas bounds what an account may use. Zero fields mean AWS's value, which the constants name.
type Quotas struct {
	Concurrency          int           `json:"concurrency,omitempty"`          // executions at once, of all functions
	HyperplaneENIsPerVPC int           `json:"hyperplaneEnisPerVpc,omitempty"` // shared mode
	InterfacesPerRegion  int           `json:"interfacesPerRegion,omitempty"`  // legacy mode
	ConnectionsPerENI    int           `json:"connectionsPerEni,omitempty"`    // of one Hyperplane ENI, before there is a second
	EC2CallsPerSecond    float64       `json:"ec2CallsPerSecond,omitempty"`    // of each action that makes legacy interfaces; zero: AWS's with the model, else no limit; negative: no limit
	EC2Burst             int           `json:"ec2Burst,omitempty"`             // calls at once, where there is a limit
	MemoryPerInterface   int           `json:"memoryPerInterface,omitempty"`   // MB of environments that share one legacy interface; zero: one each
	KeepInterfaces       time.Duration `json:"keepInterfaces,omitempty"`       // how long an unused legacy interface waits for reuse; zero: not at all
	Idle                 time.Duration `json:"idle,omitempty"`                 // without an invocation until a function becomes Inactive; negative: never
}

// AWS's values.
const (
	// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
	defaultConcurrency    = 1000
	defaultHyperplaneENIs = 500
	// Lambda's developer guide of 2018: 350 network interfaces per Region.
	defaultInterfaces = 350
	// EC2's token bucket for actions that change something: 50 tokens, 5 more a second.
	// https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html
	defaultEC2Burst          = 50
	defaultEC2CallsPerSecond = 5
	// https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html: 14 days.
	defaultIdle = 14 * 24 * time.Hour
)

func (q Quotas) concurrency() int    { return cmp.Or(q.Concurrency, defaultConcurrency) }
func (q Quotas) hyperplaneENIs() int { return cmp.Or(q.HyperplaneENIsPerVPC, defaultHyperplaneENIs) }
func (q Quotas) interfaces() int     { return cmp.Or(q.InterfacesPerRegion, defaultInterfaces) }
func (q Quotas) idle() time.Duration { return cmp.Or(q.Idle, defaultIdle) }

// Reservable is how much of the account's concurrency functions may reserve together.
func (q Quotas) Reservable() int { return q.concurrency() - minUnreservedOf(q.concurrency()) }

// HyperplaneENIs is how many Hyperplane ENIs one VPC may have.
func (q Quotas) HyperplaneENIs() int { return q.hyperplaneENIs() }

func (q Quotas) connectionsPerENI() int { return cmp.Or(q.ConnectionsPerENI, nat.DefaultCapacity) }

// ec2Calls is the limit of EC2's actions; a rate of zero is none. It is the one quota that is not AWS's by default: a lab
// starts a hundred environments in the second that AWS takes for five, and only a model makes them wait like that.
func (q Quotas) ec2Calls(m Model) (perSecond float64, burst int) {
	burst = cmp.Or(q.EC2Burst, defaultEC2Burst)
	switch {
	case q.EC2CallsPerSecond > 0:
		return q.EC2CallsPerSecond, burst
	case q.EC2CallsPerSecond == 0 && m.AWS:
		return defaultEC2CallsPerSecond * m.speed(), burst
	}
	return 0, burst
}

// environmentsPerInterface is how many environments of a function share one legacy interface: as many as its share of
// memory holds (Lambda's formula of 2018: interfaces = concurrency × memory / 3 GB).
func (q Quotas) environmentsPerInterface(memoryMB int) int {
	return min(max(1, q.MemoryPerInterface/max(1, memoryMB)), sandbox.MaxLodgers)
}
