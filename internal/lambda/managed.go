package lambda

import (
	"context"
	"fmt"
	"time"

	"enilab/internal/runtimes"
	"enilab/sandbox"
)

// execWrapper names a script of the function's that starts the runtime in Lambda's stead: it gets the whole command as its
// arguments. https://docs.aws.amazon.com/lambda/latest/dg/runtimes-modify.html#runtime-wrapper
const execWrapper = "AWS_LAMBDA_EXEC_WRAPPER"

// manage makes what is to be started a managed runtime, if the function has one; an OS-only runtime executes what the code
// brings. The environment's log begins with the interpreter's version, as on AWS with the runtime's.
func (s *Service) manage(ctx context.Context, e *environment, start *sandbox.Config) error {
	c := &e.generation.config
	r, managed := runtimes.Lookup(c.Runtime)
	if !managed {
		return nil
	}
	i, err := s.interpreters.Again(ctx, r)
	if err != nil { // it was there when the function was made
		return &initFailure{"Runtime.InvalidEntrypoint", err.Error()}
	}
	start.Command = r.Command(i, c.MemorySize, c.Environment)
	if wrapper := c.Environment[execWrapper]; wrapper != "" {
		start.Command = append([]string{wrapper}, start.Command...)
	}
	for name, value := range r.Variables() {
		if _, own := c.Environment[name]; !own {
			start.Env = append(start.Env, name+"="+value)
		}
	}
	if c.Logging().LogFormat != "JSON" {
		e.say(fmt.Appendf(e.line[:0], "INIT_START Runtime Version: %s\tRuntime Version ARN: %s\n", i.Tag, s.runtimeARN(i)))
	} else if c.LoggingConfig.SystemLogLevel != "WARN" {
		e.say(appendEvent(e.line[:0], time.Now(), "platform.initStart", initStartRecord{"on-demand", "init", i.Tag, s.runtimeARN(i)}))
	}
	if i.Note != "" {
		e.say(append(append(e.line[:0], i.Note...), '\n'))
	}
	return nil
}

// runtimeARN names the version of a runtime. What AWS puts at its end says nothing; here it is the interpreter.
func (s *Service) runtimeARN(i runtimes.Interpreter) string {
	return fmt.Sprintf("arn:aws:lambda:%s::runtime:%s", s.Region, i.Tag)
}
