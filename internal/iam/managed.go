package iam

import (
	"crypto/sha256"
	_ "embed" // of the documents
	"encoding/base32"
	"encoding/json"
	"fmt"
	"sync"
	"time"
)

// managedPolicies are policies that AWS has in every account, one a line: those that functions' roles have, and those that
// people use around them. Each document is that of the version that it names, as GetPolicyVersion answers; the page
// https://docs.aws.amazon.com/aws-managed-policy/latest/reference/NAME.html shows it.
//
//go:embed managed.json
var managedPolicies []byte

// managedPolicy is a policy of AWS's.
type managedPolicy struct {
	Policy
	document json.RawMessage
	parsed   func() document // at the first question: few of them are ever asked about
}

// managed are AWS's policies by ARN. They are read when they are first needed, which most of the program's verbs never do.
var managed = sync.OnceValue(func() map[string]managedPolicy {
	var list []struct {
		Name, Path, Description, Version string
		Created                          time.Time
		Document                         json.RawMessage
	}
	if err := json.Unmarshal(managedPolicies, &list); err != nil {
		panic(err) // a constant of the program
	}
	byARN := map[string]managedPolicy{}
	for _, p := range list {
		arn := "arn:aws:iam::aws:policy" + p.Path + p.Name
		id := sha256.Sum256([]byte(arn))
		byARN[arn] = managedPolicy{
			Policy: Policy{
				PolicyName: p.Name, PolicyID: "ANPA" + base32.StdEncoding.EncodeToString(id[:])[:17], ARN: arn, Path: p.Path,
				DefaultVersionID: p.Version, Description: p.Description, CreateDate: p.Created, UpdateDate: p.Created,
			},
			document: p.Document,
			parsed: sync.OnceValue(func() document {
				d, err := parsePermissions(string(p.Document))
				if err != nil {
					panic(fmt.Errorf("%s: %w", p.Name, err)) // a constant of the program; a test reads them all
				}
				return d
			}),
		}
	}
	return byARN
})

func (p managedPolicy) text() string { return string(p.document) }
