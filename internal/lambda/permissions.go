package lambda

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// Policy is a resource-based policy of a function, a version or an alias. It is kept and shown; the lab has nobody whom it
// could let in. https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html
type Policy struct {
	Statements []Statement
	RevisionID string
}

// Statement is one of a policy, as its JSON has it.
type Statement struct {
	Sid       string
	Effect    string
	Principal any // "*", {"Service": …} or {"AWS": …}
	Action    string
	Resource  string
	Condition map[string]map[string]string `json:",omitempty"`
}

// PermissionInput asks for a statement.
type PermissionInput struct {
	Function                                                   FunctionRef
	StatementID, Action, Principal                             string
	SourceARN, SourceAccount, EventSourceToken, OrganizationID string // empty: no such condition
	URLAuthType                                                string
	InvokedViaURL                                              *bool
	RevisionID                                                 string // unless empty, the policy must be at this revision
}

const stalePolicy = "The Revision Id provided does not match the latest Revision Id. Call the GetPolicy API to retrieve the latest Revision Id"

// AddPermission adds a statement to a policy. The sentences are AWS's, recorded by LocalStack:
// test_lambda_api.snapshot.json, test_permission_exceptions.
func (s *Service) AddPermission(in PermissionInput) (st Statement, _ error) {
	if in.Function.Qualifier == latestVersion {
		return st, refuse(InvalidParameterValue, "We currently do not support adding policies for $LATEST.")
	}
	principal, ok := principalOf(in.Principal)
	if !ok {
		return st, refuse(InvalidParameterValue, "The provided principal was invalid. Please check the principal and try again.")
	}
	if _, err := s.version(in.Function); err != nil {
		return st, err
	}
	st = Statement{Sid: in.StatementID, Effect: "Allow", Principal: principal, Action: in.Action, Resource: s.arn(in.Function.Name, in.Function.Qualifier)}
	condition := func(operator, key, value string) {
		if value == "" {
			return
		}
		if st.Condition == nil {
			st.Condition = map[string]map[string]string{}
		}
		if st.Condition[operator] == nil {
			st.Condition[operator] = map[string]string{}
		}
		st.Condition[operator][key] = value
	}
	condition("StringEquals", "AWS:SourceAccount", in.SourceAccount)
	condition("StringEquals", "lambda:EventSourceToken", in.EventSourceToken)
	condition("StringEquals", "lambda:FunctionUrlAuthType", in.URLAuthType)
	condition("StringEquals", "aws:PrincipalOrgID", in.OrganizationID)
	condition("ArnLike", "AWS:SourceArn", in.SourceARN)
	if in.InvokedViaURL != nil {
		condition("Bool", "lambda:InvokedViaFunctionUrl", map[bool]string{true: "true", false: "false"}[*in.InvokedViaURL])
	}
	return st, s.append(in.Function.Name, func(_ *function, x *appendix) error {
		p := x.Policies[in.Function.Qualifier]
		switch {
		case in.RevisionID != "" && in.RevisionID != p.RevisionID:
			return refuse(PreconditionFailed, stalePolicy)
		case slices.ContainsFunc(p.Statements, func(o Statement) bool { return o.Sid == st.Sid }):
			return refuse(ResourceConflict, "The statement id (%s) provided already exists. Please provide a new statement id, or remove the existing statement.", st.Sid)
		}
		p.Statements = append(p.Statements, st)
		if size := len(p.json()); size > maxPolicy {
			return refuse(PolicyLengthExceeded, "The final policy size (%d) is bigger than the limit (%d).", size, maxPolicy)
		}
		p.RevisionID = uuid.NewString()
		put(&x.Policies, in.Function.Qualifier, p)
		return nil
	})
}

// maxPolicy is how many bytes a policy may have. https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
const maxPolicy = 20 << 10

// principalOf is a principal as policies write it; not ok if it is none that AWS takes.
func principalOf(p string) (principal any, ok bool) {
	switch {
	case p == "*":
		return p, true
	case isAccount(p):
		return map[string]string{"AWS": "arn:aws:iam::" + p + ":root"}, true
	case strings.HasPrefix(p, "arn:"):
		return map[string]string{"AWS": p}, strings.Count(p, ":") >= 5
	case strings.HasSuffix(p, ".amazonaws.com") && !strings.Contains(p, "/"), p == "alexa-appkit.amazon.com", p == "alexa-connectedhome.amazon.com":
		return map[string]string{"Service": p}, true
	}
	return nil, false
}

// GetPolicy is a policy as JSON, with its revision.
func (s *Service) GetPolicy(ref FunctionRef) (policy, revision string, _ error) {
	x, err := s.appendixOf(ref.Name)
	if err != nil {
		return "", "", err
	}
	p := x.Policies[ref.Qualifier]
	if len(p.Statements) == 0 {
		return "", "", refuse(ResourceNotFound, "The resource you requested does not exist.")
	}
	return string(p.json()), p.RevisionID, nil
}

func (p Policy) json() []byte {
	text, err := json.Marshal(struct {
		Version   string
		Id        string //nolint:revive // a policy's own name for it
		Statement []Statement
	}{"2012-10-17", "default", p.Statements})
	if err != nil {
		panic(err) // of text
	}
	return text
}

// RemovePermission takes a statement out of a policy.
func (s *Service) RemovePermission(ref FunctionRef, statement, revision string) error {
	return s.append(ref.Name, func(_ *function, x *appendix) error {
		p := x.Policies[ref.Qualifier]
		at := slices.IndexFunc(p.Statements, func(o Statement) bool { return o.Sid == statement })
		switch {
		case len(p.Statements) == 0:
			return refuse(ResourceNotFound, "No policy is associated with the given resource.")
		case revision != "" && revision != p.RevisionID:
			return refuse(PreconditionFailed, stalePolicy)
		case at < 0:
			return refuse(ResourceNotFound, "Statement %s is not found in resource policy.", statement)
		}
		p.Statements, p.RevisionID = slices.Delete(p.Statements, at, at+1), uuid.NewString()
		put(&x.Policies, ref.Qualifier, p)
		return nil
	})
}
