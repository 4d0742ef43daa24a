// Package iam is the control plane of roles: what Lambda may do in a function's name, and whether it may take that name.
// It knows no wire format.
package iam

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"enilab/internal/events"
	"enilab/internal/state"
)

// Config is what the control plane works with. It owns none of it.
type Config struct {
	Account string      // empty means "123456789012"
	Region  string      // of the resources that roles are asked about; empty means "us-east-1"
	State   *state.DB   // what the roles are, for the next start; nil: nothing is kept
	Events  *events.Bus // nil: nobody is told
}

// Service is the control plane. All methods are safe for concurrent use.
type Service struct {
	Config
	table       *state.Table[record]
	policyTable *state.Table[policyRecord]
	issuer      *issuer
	created     time.Time // the account

	mu       sync.Mutex // guards all below, and is held while a record is written
	roles    map[string]*role
	policies map[string]*customerPolicy // by ARN
}

// record is what is kept of a role.
type record struct {
	Role     Role
	Inline   map[string]string `json:",omitempty"` // name → document
	Attached []string          `json:",omitempty"` // ARNs
}

// role is a record with its documents parsed. It does not change; a change makes another.
type role struct {
	record
	trust  document
	inline []document
}

// New starts a control plane without roles.
func New(c Config) *Service {
	c.Account = cmp.Or(c.Account, "123456789012")
	c.Region = cmp.Or(c.Region, "us-east-1")
	return &Service{
		Config: c, issuer: newIssuer(), created: now(),
		table: state.TableOf[record](c.State, "roles"), roles: map[string]*role{},
		policyTable: state.TableOf[policyRecord](c.State, "policies"), policies: map[string]*customerPolicy{},
	}
}

// account is what is kept of the account itself.
type account struct {
	SessionKey []byte // of temporary credentials, which outlive the control plane
	Created    time.Time
}

// Restore reads the roles and policies that were kept.
func (s *Service) Restore() error {
	if err := s.restoreAccount(); err != nil {
		return fmt.Errorf("iam: %w", err)
	}
	records, err := s.table.All()
	if err != nil {
		return fmt.Errorf("iam: %w", err)
	}
	roles := map[string]*role{}
	for name, rec := range records {
		if roles[name], err = rec.parse(); err != nil {
			return fmt.Errorf("iam: role %s: %w", name, err)
		}
	}
	kept, err := s.policyTable.All()
	if err != nil {
		return fmt.Errorf("iam: %w", err)
	}
	policies := map[string]*customerPolicy{}
	for arn, rec := range kept {
		if policies[arn], err = rec.parse(); err != nil {
			return fmt.Errorf("iam: policy %s: %w", arn, err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.roles, s.policies = roles, policies
	return nil
}

// restoreAccount takes what was kept of the account, or keeps what it is from now on.
func (s *Service) restoreAccount() error {
	table := state.TableOf[account](s.State, "account")
	kept, err := table.All()
	if err != nil {
		return err
	}
	a, ok := kept[s.Account]
	if !ok {
		return table.Put(s.Account, account{s.issuer.key[:], s.created})
	}
	if len(a.SessionKey) != len(s.issuer.key) {
		return fmt.Errorf("account %s: the key of temporary credentials has %d bytes, not %d", s.Account, len(a.SessionKey), len(s.issuer.key))
	}
	copy(s.issuer.key[:], a.SessionKey)
	s.created = a.Created
	return nil
}

// Created is when the account came into being: with the lab.
func (s *Service) Created() time.Time { return s.created }

func (r record) parse() (*role, error) {
	parsed := &role{record: r}
	var err error
	if parsed.trust, err = parseTrust(r.Role.AssumeRolePolicyDocument); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(r.Inline)) {
		d, err := parsePermissions(r.Inline[name])
		if err != nil {
			return nil, err
		}
		parsed.inline = append(parsed.inline, d)
	}
	return parsed, nil
}

// change replaces a role by what edit makes of its record, and keeps it.
func (s *Service) change(name string, edit func(*record) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, err := s.findLocked(name)
	if err != nil {
		return err
	}
	rec := old.record
	rec.Inline, rec.Attached = maps.Clone(rec.Inline), slices.Clone(rec.Attached)
	if err := edit(&rec); err != nil {
		return err
	}
	return s.keepLocked(rec, "changed")
}

func (s *Service) keepLocked(rec record, what string) error {
	r, err := rec.parse()
	if err != nil {
		return err
	}
	name := rec.Role.RoleName
	if err := s.table.Put(name, rec); err != nil {
		return refuse(ServiceFailure, "Keep role %s: %v", name, err)
	}
	s.roles[name] = r
	s.tell(name, what)
	return nil
}

func (s *Service) tell(name, what string) {
	s.Events.Publish(events.Event{Type: events.RoleChanged, Name: name, State: what})
}

func (s *Service) findLocked(name string) (*role, error) {
	r := s.roles[name]
	if r == nil {
		return nil, refuse(NoSuchEntity, "The role with name %s cannot be found.", name)
	}
	return r, nil
}

func (s *Service) find(name string) (*role, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.findLocked(name)
}

// roleARN is a role's name in all of AWS.
func (s *Service) roleARN(path, name string) string {
	return fmt.Sprintf("arn:aws:iam::%s:role%s%s", s.Account, path, name)
}

// byARN finds a role by its ARN, or by its name alone.
func (s *Service) byARN(arnOrName string) (*role, error) {
	name := arnOrName[strings.LastIndexByte(arnOrName, '/')+1:]
	r, err := s.find(name)
	if err == nil && strings.HasPrefix(arnOrName, "arn:") && r.Role.ARN != arnOrName {
		return nil, refuse(NoSuchEntity, "The role with ARN %s cannot be found.", arnOrName)
	}
	return r, err
}

func now() time.Time { return time.Now().UTC().Truncate(time.Second) } // IAM's dates have seconds
