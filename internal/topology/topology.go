package topology

import (
	"net/netip"
	"strings"
	"time"
)

// Topology is a lab, declared. All defaults are filled in, all references lead somewhere.
type Topology struct {
	Name      string     `yaml:"name" pattern:"^[a-z][a-z0-9-]{0,38}[a-z0-9]$" say:"a name has 2 to 40 of a-z, 0-9 and '-', starts with a letter and does not end in '-'" doc:"The lab's name, for when several run at once."`
	Region    string     `yaml:"region" default:"us-east-1" pattern:"^(eusc-)?[a-z]{2}(-gov|-iso[a-z]?)?-[a-z]+-[0-9]$" say:"a Region is named like us-east-1 or eu-central-1" doc:"The Region, as it appears in ARNs and in the names of availability zones. A lab keeps the one that it was made with."`
	Account   string     `yaml:"account" default:"123456789012" pattern:"^[0-9]{12}$" say:"an account id has 12 digits" scalar:"any" doc:"The account id, as it appears in ARNs."`
	Workers   int        `yaml:"workers" default:"1" min:"1" max:"8" doc:"How many workers run execution environments."`
	Pool      Pool       `yaml:"pool" doc:"Slots that are kept ready for cold starts."`
	Model     string     `yaml:"model" default:"none" enum:"none,aws" doc:"aws adds the delays of AWS's control plane, such as 90 s for the first Hyperplane ENI. They are marked as modelled wherever they are shown."`
	TimeScale float64    `yaml:"timeScale" default:"1" min:"0.1" max:"1000000" doc:"How many times faster than on AWS the modelled delays pass."`
	Quotas    Quotas     `yaml:"quotas" doc:"What the account may use. Left out: AWS's values."`
	Store     string     `yaml:"store" doc:"The function store: a directory of code archives, relative to this file."`
	Internet  bool       `yaml:"internet" default:"true" doc:"Whether there is an internet for functions without a VPC."`
	VPCs      []VPC      `yaml:"vpcs" doc:"Customers' networks by id. Several may have the same CIDR."`
	Roles     []Role     `yaml:"roles" doc:"Execution roles by name."`
	Layers    []Layer    `yaml:"layers" doc:"Layers by name: files that functions have in /opt. Each is a key in the function store or a path, as a function's code is."`
	Functions []Function `yaml:"functions" doc:"Functions by name."`

	file  string              // as messages call it
	dir   string              // what relative paths start from
	where map[string]position // path → place in the file
}

// Pool says how many slots each mode keeps ready.
type Pool struct {
	Shared int `yaml:"shared" default:"8" min:"0" max:"4000" doc:"Slots with a tunnel, for shared mode."`
	Legacy int `yaml:"legacy" default:"0" min:"0" max:"4000" doc:"Bare slots, for the legacy modes."`
}

// Quotas bounds what the account may use. Zero fields mean AWS's value.
type Quotas struct {
	Concurrency          int           `yaml:"concurrency" min:"1" max:"1000000" doc:"Executions at once, of all functions. AWS: 1000."`
	HyperplaneENIsPerVPC int           `yaml:"hyperplaneEnisPerVpc" min:"1" max:"1000000" doc:"Hyperplane ENIs of one VPC, in shared mode. AWS: 500."`
	InterfacesPerRegion  int           `yaml:"interfacesPerRegion" min:"1" max:"1000000" doc:"Network interfaces of the Region, in the legacy modes. AWS, 2018: 350."`
	ConnectionsPerENI    int           `yaml:"connectionsPerEni" min:"1" max:"65000" doc:"Connections through one Hyperplane ENI before there is a second. AWS: 65000."`
	EC2CallsPerSecond    float64       `yaml:"ec2CallsPerSecond" min:"-1" max:"1000000" doc:"Rate of each EC2 action that makes legacy interfaces. Left out: AWS's 5 with model aws, else no limit. -1: no limit."`
	EC2Burst             int           `yaml:"ec2Burst" min:"1" max:"1000000" doc:"How many such calls may come at once, where there is a limit. AWS: 50."`
	MemoryPerInterface   int           `yaml:"memoryPerInterface" min:"1" max:"1000000" doc:"MB of environments that share one legacy interface. AWS, 2018: 3072. Left out: an interface for each environment."`
	KeepInterfaces       time.Duration `yaml:"keepInterfaces" min:"0s" max:"24h" doc:"How long an unused legacy interface waits for reuse. Left out: not at all."`
	Idle                 time.Duration `yaml:"idle" min:"1ms" max:"8760h" doc:"Without an invocation until a function becomes Inactive and its ENI is reclaimed. AWS: 14 days."`
}

// VPC is one customer's network.
type VPC struct {
	ID             string          `yaml:",key" pattern:"^vpc-[a-z0-9-]{0,35}[a-z0-9]$" say:"a VPC's id is vpc- and up to 36 of a-z, 0-9 and '-', such as vpc-blue"`
	CIDR           netip.Prefix    `yaml:"cidr,required" doc:"The VPC's IPv4 network, /16 to /28."`
	Subnets        []Subnet        `yaml:"subnets" doc:"Subnets by id; ids are unique in the whole lab."`
	SecurityGroups []SecurityGroup `yaml:"securityGroups" doc:"Security groups by id; ids are unique in the whole lab."`
	Resources      []Resource      `yaml:"resources" doc:"Servers by name: real processes, each with a network interface of its own."`
}

// Subnet is a range of a VPC in one availability zone. A CIDR alone may stand for it.
type Subnet struct {
	ID   string       `yaml:",key" pattern:"^subnet-[a-z0-9-]{0,32}[a-z0-9]$" say:"a subnet's id is subnet- and up to 33 of a-z, 0-9 and '-', such as subnet-app"`
	CIDR netip.Prefix `yaml:"cidr,required" doc:"The subnet's IPv4 network, /16 to /28, in the VPC's. AWS keeps five addresses of it."`
	AZ   string       `yaml:"az" doc:"Availability zone: the Region and a letter. Left out: the Region's a."`
}

// SecurityGroup holds allow rules. They are stateful: replies need none.
type SecurityGroup struct {
	ID          string `yaml:",key" pattern:"^sg-[a-z0-9-]{0,36}[a-z0-9]$" say:"a security group's id is sg- and up to 37 of a-z, 0-9 and '-', such as sg-app"`
	Description string `yaml:"description" max:"255" doc:"For people."`
	Ingress     []Rule `yaml:"ingress" doc:"What may come in. Left out: nothing."`
	Egress      []Rule `yaml:"egress" doc:"What may go out. Left out: everything. An empty list: nothing."`
}

// Resource is a customer's server.
type Resource struct {
	Name           string            `yaml:",key" pattern:"^[a-z][a-z0-9-]{0,38}[a-z0-9]$" say:"a name has 2 to 40 of a-z, 0-9 and '-', starts with a letter and does not end in '-'"`
	Serve          string            `yaml:"serve" enum:"whoami,redis" doc:"A server that the lab knows: whoami (HTTP on port 80, answers with the client address that it sees) or redis (port 6379)."`
	Data           map[string]string `yaml:"data" scalar:"any" doc:"With serve: redis, what the database holds: text by key."`
	Command        []string          `yaml:"command" minItems:"1" scalar:"any" doc:"Or the argument vector of another server. {address} stands for the resource's own address."`
	Subnet         string            `yaml:"subnet,required" doc:"The subnet of its interface."`
	SecurityGroups []string          `yaml:"securityGroups,required" minItems:"1" maxItems:"5" doc:"The security groups of its interface."`
	Address        netip.Addr        `yaml:"address" doc:"Its IPv4 address. Left out: the next free one."`
	Health         *Health           `yaml:"health" doc:"How to tell that a command serves. Left out: it does when it runs."`
}

// Health tells whether a server serves.
type Health struct {
	Port     uint16        `yaml:"port" min:"1" doc:"A TCP port that accepts connections."`
	Command  []string      `yaml:"command" minItems:"1" scalar:"any" doc:"Or a command, run where the server runs, that ends with status 0 within 30 s. {address} stands for the resource's address."`
	Interval time.Duration `yaml:"interval" default:"2s" min:"100ms" max:"1h" doc:"How often to ask. An answer may take 30 s, however short this is: a server that has not shown by then that it is healthy is started again."`
}

// Function is a function.
type Function struct {
	Name        string            `yaml:",key" pattern:"^[a-zA-Z0-9_-]{1,64}$" say:"a function's name has 1 to 64 of letters, digits, '-' and '_'"`
	Code        Code              `yaml:"code,required" doc:"A key in the function store, such as go.zip; or, with a slash in it, the path of a zip or of a directory with the code, relative to this file, such as ./hello."`
	Handler     string            `yaml:"handler" default:"bootstrap" pattern:"^[^\\s]{1,128}$" say:"a handler has 1 to 128 characters and no space" doc:"Handed to the runtime, such as function.handler."`
	Runtime     string            `yaml:"runtime" default:"provided.al2023" enum:"provided.al2023,provided.al2,nodejs24.x,nodejs22.x,nodejs20.x,nodejs18.x,python3.14,python3.13,python3.12,python3.11,python3.10,python3.9,java25,java21,java17,java11" doc:"provided: the code brings its own, as bootstrap. Any other runs the handler, by an interpreter of this machine."`
	Layers      []string          `yaml:"layers" maxItems:"5" doc:"Layers by name. A later one's files lie over an earlier one's."`
	Role        string            `yaml:"role" doc:"The execution role. Left out: one that may manage network interfaces."`
	Memory      int               `yaml:"memory" default:"128" min:"128" max:"10240" doc:"MB."`
	Timeout     time.Duration     `yaml:"timeout" default:"3s" min:"1s" max:"15m" doc:"How long an invocation may take."`
	Environment map[string]string `yaml:"environment" keys:"^[a-zA-Z][a-zA-Z0-9_]+$" say:"a variable's name has letters, digits and '_', starts with a letter and has at least two" scalar:"any" doc:"Variables."`
	VPC         *VpcConfig        `yaml:"vpc" doc:"The VPC that the function is connected to. Left out: none, it reaches the internet alone."`
	Mode        string            `yaml:"mode" default:"shared" enum:"shared,legacy,legacy-inplace" doc:"How: through a shared Hyperplane ENI, or with an interface for each environment, moved or made in place."`
	Concurrency *int              `yaml:"concurrency" min:"0" max:"1000000" doc:"Reserved concurrency. 0: it cannot be invoked. Left out: none is reserved."`
}

// BringsRuntime tells whether the code is its own runtime, as bootstrap.
func (f Function) BringsRuntime() bool { return strings.HasPrefix(f.Runtime, "provided") }

// VpcConfig connects a function to a VPC.
type VpcConfig struct {
	Subnets        []string `yaml:"subnets,required" minItems:"1" maxItems:"16" doc:"Subnets of one VPC."`
	SecurityGroups []string `yaml:"securityGroups,required" minItems:"1" maxItems:"5" doc:"Security groups of that VPC."`
}

// Layer is a layer of functions. Where its files are stands for it.
type Layer struct {
	Name string `yaml:",key" pattern:"^[a-zA-Z0-9_-]{1,140}$" say:"a layer's name has 1 to 140 of letters, digits, '-' and '_'"`
	Code Code
}

// Code says where a function's code is, or a layer's files; one of the two is set.
type Code struct {
	Key  string // in the function store
	Path string // of a zip, or of a directory with the code; absolute, or from the working directory
}
