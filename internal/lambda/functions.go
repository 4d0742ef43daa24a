package lambda

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"enilab/internal/events"

	"github.com/google/uuid"
)

// function is one function: what is being worked on, $LATEST, and the versions that were published of it.
type function struct {
	name    string
	created time.Time
	latest  *version
	log     *functionLog
	sampler sampler
	queue   *eventQueue // of asynchronous events

	plane sync.Mutex // held by who changes the function, until that is recorded; taken before mu

	mu           sync.Mutex // guards all below, and the fields of versions
	versions     map[int]*version
	published    int // the highest number that a version ever had
	tags         map[string]string
	appendix     appendix
	environments map[*environment]struct{} // all there are
	count        int                       // environments started, to name them
	deleted      bool

	share // of the account's concurrency
}

// version is one version of a function. Published ones do not change; each has its own network and environments.
type version struct {
	function *function
	name     string // "$LATEST" or a number
	number   int    // 0 for $LATEST

	// Guarded by function.mu.
	config  FunctionConfiguration // what serves, or did
	code    *archive
	next    *change        // under way
	current *generation    // nil unless the version can serve
	idle    []*environment // of the current generation, the last used last
	running int            // executions
	used    time.Time      // when the latest of them began, or what made the version able to serve ended
	settled chan struct{}  // closed while nothing is in progress
	deleted bool
}

// change is what a version is to become. It holds the code.
type change struct {
	config FunctionConfiguration
	code   *archive
}

// shownLocked is a version as people see it: what it is to become, from the moment that this was promised, although the
// old one serves until then. If the change fails, it is again what serves.
func (v *version) shownLocked() change {
	if v.next != nil {
		return *v.next
	}
	return change{v.config, v.code}
}

// newFunction has nothing but its name.
func (s *Service) newFunction(name string) *function {
	f := &function{name: name, created: time.Now().UTC(), log: newFunctionLog(), versions: map[int]*version{}, environments: map[*environment]struct{}{}}
	f.queue = &eventQueue{service: s, function: f}
	return f
}

// newVersion is one that is about to become what c says. It takes the code of c over, and holds it once more for the
// change.
func newVersion(f *function, name string, number int, c change) *version {
	v := &version{function: f, name: name, number: number, config: c.config, code: c.code, settled: make(chan struct{})}
	v.next = &change{c.config, c.code.hold()}
	return v
}

// creating puts a configuration at the beginning of its life.
func (c FunctionConfiguration) creating() FunctionConfiguration {
	c.LastModified = time.Now().UTC()
	c.State, c.StateReason, c.StateReasonCode = Pending, "The function is being created.", ReasonCreating
	c.LastUpdateStatus, c.LastUpdateStatusReason, c.LastUpdateStatusReasonCode, c.Cause = "", "", "", "" // AWS tells of no update yet
	return c
}

// CreateFunction checks everything that can be checked, stores the code and answers with a function that is Pending;
// its network is made behind the answer. WaitFunctionActive waits for that.
func (s *Service) CreateFunction(_ context.Context, in CreateFunctionInput) (FunctionConfiguration, error) {
	var none FunctionConfiguration
	done, err := s.control()
	if err != nil {
		return none, err
	}
	defer done()
	if err := cmp.Or(in.checkGiven(), in.checkName()); err != nil {
		return none, err
	}
	config := in.configuration().creating()
	if config.LoggingConfig, err = config.LoggingConfig.change(in.LoggingConfig); err != nil {
		return none, err
	}
	config.FunctionARN = s.arn(in.FunctionName, "")
	if config.VpcConfig, err = s.resolve(in.VpcConfig); err != nil {
		return none, err
	}
	if err := cmp.Or(config.check(), checkTags(in.Tags), s.vet(config)); err != nil {
		return none, err
	}
	layers, release, err := s.resolveLayers(in.Layers)
	if err != nil {
		return none, err
	}
	defer release()
	config.Layers = layers
	code, err := s.putCode(in.FunctionName, in.ZipFile, in.StoreKey)
	if err != nil {
		return none, err
	}
	if err := s.checkUnpacked(code, layers); err != nil {
		s.discard(code)
		return none, err
	}
	config.CodeSha256, config.CodeSize = code.CodeSha256(), code.Size
	f := s.newFunction(in.FunctionName)
	f.tags = maps.Clone(in.Tags)
	f.latest = newVersion(f, latestVersion, 0, change{config, code})
	answer, begin := config, []*version{f.latest}
	if in.Publish {
		v := s.versionOf(f, change{config, code.hold()})
		answer, begin = v.config, append(begin, v)
	}
	if err := s.add(f, begin); err != nil {
		for _, v := range begin {
			s.discard(v.next.code)
			s.discard(v.code)
		}
		return none, err
	}
	return answer, nil
}

// Check refuses what CreateFunction refuses wherever it is asked: names and settings that no function has. The code, and what
// the function needs of others, is not looked at.
func (in CreateFunctionInput) Check() error {
	return cmp.Or(in.checkGiven(), in.checkName(), in.configuration().check(), checkTags(in.Tags))
}

// checkGiven refuses a function without what only its code knows.
func (in CreateFunctionInput) checkGiven() error {
	if in.Runtime == "" || in.Handler == "" {
		return refuse(InvalidParameterValue, "Runtime and Handler are mandatory parameters for functions created with deployment packages.")
	}
	return nil
}

func (in CreateFunctionInput) checkName() error {
	if len(in.FunctionName) > 64 && isFunctionName(in.FunctionName[:64]) { // the one length that AWS checks outside of its model
		return refuse(InvalidParameterValue, "1 validation error detected: Value '%s' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 64", in.FunctionName)
	}
	if !isFunctionName(in.FunctionName) {
		return refuse(InvalidParameterValue, "function name %q: use 1 to 64 of letters, digits, '-' and '_'", in.FunctionName)
	}
	return nil
}

// configuration is what is asked for, with the defaults of what is not said, and without its VPC.
func (in CreateFunctionInput) configuration() FunctionConfiguration {
	return FunctionConfiguration{
		FunctionName:     in.FunctionName,
		Version:          latestVersion,
		RevisionID:       uuid.NewString(),
		Role:             in.Role,
		Runtime:          in.Runtime,
		Architecture:     cmp.Or(in.Architecture, architecture()),
		PackageType:      cmp.Or(in.PackageType, "Zip"),
		Description:      in.Description,
		Handler:          in.Handler,
		MemorySize:       cmp.Or(in.MemorySize, defaultMemory),
		EphemeralStorage: cmp.Or(in.EphemeralStorage, defaultStorage),
		Timeout:          cmp.Or(in.Timeout, defaultTimeout),
		Environment:      maps.Clone(in.Environment),
		TracingMode:      in.TracingMode,
		Mode:             cmp.Or(in.Mode, Shared),
	}
}

// add gives the function its name, if that is free, records it, and has its versions made behind the caller's back.
func (s *Service) add(f *function, begin []*version) error {
	f.plane.Lock()
	defer f.plane.Unlock()
	s.mu.Lock()
	if s.functions[f.name] != nil {
		s.mu.Unlock()
		return refuse(ResourceConflict, "Function already exist: %s", f.name)
	}
	s.functions[f.name] = f
	s.mu.Unlock()
	if err := s.keep(f); err != nil {
		s.mu.Lock()
		delete(s.functions, f.name)
		s.mu.Unlock()
		return err
	}
	for _, v := range begin {
		s.begin("create function "+f.name, v)
	}
	return nil
}

// GetFunctionConfiguration describes a function.
func (s *Service) GetFunctionConfiguration(ref FunctionRef) (FunctionConfiguration, error) {
	v, err := s.version(ref)
	if err != nil {
		return FunctionConfiguration{}, err
	}
	v.function.mu.Lock()
	defer v.function.mu.Unlock()
	return s.named(v.shownLocked().config, ref), nil
}

// GetFunction describes a function and what belongs to it.
func (s *Service) GetFunction(ref FunctionRef) (FunctionDescription, error) {
	v, err := s.version(ref)
	if err != nil {
		return FunctionDescription{}, err
	}
	f := v.function
	f.mu.Lock()
	defer f.mu.Unlock()
	c := v.shownLocked()
	return FunctionDescription{s.named(c.config, ref), c.code.Code, c.code.uploaded, maps.Clone(f.tags), s.reservation(f)}, nil
}

// ListFunctions describes all functions, ordered by name.
func (s *Service) ListFunctions() []FunctionConfiguration {
	functions := s.all()
	list := make([]FunctionConfiguration, len(functions))
	for i, f := range functions {
		f.mu.Lock()
		list[i] = f.latest.shownLocked().config
		f.mu.Unlock()
	}
	return list
}

// all are the functions there are, ordered by name.
func (s *Service) all() []*function {
	s.mu.Lock()
	functions := slices.Collect(maps.Values(s.functions))
	s.mu.Unlock()
	slices.SortFunc(functions, func(a, b *function) int { return strings.Compare(a.name, b.name) })
	return functions
}

// DeleteFunction removes a function, or one version of it if the qualifier is a number. Its environments end, busy ones after
// their event, and then its network.
func (s *Service) DeleteFunction(ref FunctionRef) error {
	// What is refused, and what is not, is recorded by LocalStack: test_delete_on_nonexisting_version and
	// test_function_name_and_qualifier_validation.
	if _, err := strconv.Atoi(ref.Qualifier); err != nil && ref.Qualifier != "" && !strings.Contains(ref.Qualifier, "$") {
		return refuse(InvalidParameterValue, "Deletion of aliases is not currently supported.")
	}
	f, err := s.lookup(ref.Name)
	if err != nil {
		return err
	}
	switch ref.Qualifier {
	case "":
	case latestVersion:
		return refuse(InvalidParameterValue, "$LATEST version cannot be deleted without deleting the function.")
	default:
		v, err := s.version(ref)
		if err != nil {
			return nil // it is gone already
		}
		return s.deleteVersion(v)
	}
	done, err := s.control()
	if err != nil {
		return err
	}
	defer done()
	f.plane.Lock()
	defer f.plane.Unlock()
	f.mu.Lock()
	gone := f.deleted
	f.mu.Unlock()
	if gone {
		return s.notFound(FunctionRef{Name: f.name})
	}
	// Nothing else is to be finished after a crash: what no record names goes.
	if err := s.records.Delete(f.name); err != nil {
		return refuse(ServiceException, "delete function %s: %w", f.name, err)
	}
	f.mu.Lock()
	f.deleted = true
	f.mu.Unlock()
	s.mu.Lock()
	delete(s.functions, f.name)
	s.mu.Unlock()
	s.release(f)
	s.Events.Publish(events.Event{Type: events.FunctionDeleted, Function: f.name})
	s.background("delete function "+f.name, func() error { return s.dismantle(f) })
	return nil
}

// dismantle ends all that a function has. Its record is not touched.
func (s *Service) dismantle(f *function) (err error) {
	f.mu.Lock()
	f.deleted = true
	f.mu.Unlock()
	err = f.queue.close()
	f.log.close()
	for _, v := range f.all() {
		err = errors.Join(err, s.end(v))
	}
	return err
}

// end takes a version out of service.
func (s *Service) end(v *version) error {
	f := v.function
	f.mu.Lock()
	if v.deleted {
		f.mu.Unlock()
		return nil
	}
	v.deleted = true
	idle, current := v.idle, v.current
	v.idle, v.current = nil, nil
	f.mu.Unlock()
	for _, e := range idle {
		s.retire(e)
	}
	return errors.Join(current.drop(), v.code.drop())
}
