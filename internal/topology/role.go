package topology

import "encoding/json"

// Role is an execution role.
type Role struct {
	Name     string   `yaml:",key" pattern:"^[a-zA-Z0-9_+=,.@-]{1,64}$" say:"a role's name has 1 to 64 of letters, digits and _+=,.@-"`
	Policies []string `yaml:"policies" enum:"AWSLambdaVPCAccessExecutionRole,AWSLambdaBasicExecutionRole" doc:"Managed policies by name."`
	Inline   []Policy `yaml:"inline" doc:"Policies of its own, by name."`
}

// DefaultRole is the role of functions that name none. It may manage network interfaces.
const DefaultRole = "lab-execution-role"

func defaultRole() Role {
	return Role{Name: DefaultRole, Policies: []string{"AWSLambdaVPCAccessExecutionRole"}}
}

// Policy is an inline policy: a list of actions that are allowed on everything, or statements as IAM has them.
type Policy struct {
	Name      string      `yaml:",key" pattern:"^[a-zA-Z0-9_+=,.@-]{1,128}$" say:"a policy's name has 1 to 128 of letters, digits and _+=,.@-"`
	Actions   []string    `yaml:"actions" minItems:"1" pattern:"^(\\*|[a-zA-Z0-9-]+:[a-zA-Z0-9*?]+)$" say:"an action is named like ec2:CreateNetworkInterface or ec2:*" doc:"Actions that are allowed on everything."`
	Version   string      `yaml:"Version" default:"2012-10-17" enum:"2012-10-17,2008-10-17" scalar:"any" doc:"Of the policy language."`
	Statement []Statement `yaml:"Statement" minItems:"1" doc:"Or the statements of a policy document."`
}

// Statement is one statement of a policy document.
type Statement struct {
	Sid         string   `yaml:"Sid" json:",omitempty"`
	Effect      string   `yaml:"Effect,required" enum:"Allow,Deny"`
	Action      []string `yaml:"Action" json:",omitempty" single:"ok" minItems:"1"`
	NotAction   []string `yaml:"NotAction" json:",omitempty" single:"ok" minItems:"1"`
	Resource    []string `yaml:"Resource" json:",omitempty" single:"ok" minItems:"1"`
	NotResource []string `yaml:"NotResource" json:",omitempty" single:"ok" minItems:"1"`
}

// Document is the policy as IAM takes it, in JSON.
func (p Policy) Document() string {
	d := struct {
		Version   string
		Statement []Statement
	}{p.Version, p.Statement}
	if len(p.Actions) > 0 {
		d.Statement = []Statement{{Effect: "Allow", Action: p.Actions, Resource: []string{"*"}}}
	}
	b, err := json.Marshal(d)
	if err != nil {
		panic(err) // text and lists of text always marshal
	}
	return string(b)
}
