package enilab.runtime;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.Arrays;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

/** What went wrong, as AWS's runtime tells the caller and the log. */
final class Fault extends RuntimeException {
    private static final long serialVersionUID = 1;

    final String message;
    final String type; // null: it is no exception's
    final String trace; // null likewise
    final String[] stackTrace; // null: the caller does not get it
    final boolean fatal; // the runtime ends

    Fault(String message, String type, String trace, String[] stackTrace, boolean fatal) {
        super(message);
        this.message = message;
        this.type = type;
        this.trace = trace;
        this.stackTrace = stackTrace;
        this.fatal = fatal;
    }

    /** The function is not what its settings say. */
    static Fault of(String message) {
        return new Fault(message, null, null, null, false);
    }

    /** The runtime found this out; the caller gets no stack trace. */
    static Fault found(String message, Throwable t, boolean fatal) {
        return new Fault(message, t.getClass().getName(), print(t), null, fatal);
    }

    /** The function threw this. */
    static Fault thrown(Throwable t) {
        if (t instanceof Fault) return (Fault) t;
        String trace = print(t); // without the runtime's own frames from now on
        String[] frames = Arrays.stream(t.getStackTrace()).map(StackTraceElement::toString).toArray(String[]::new);
        return new Fault(message(t), t.getClass().getName(), trace, frames, t instanceof VirtualMachineError || t instanceof java.io.IOError);
    }

    static String message(Throwable t) {
        return t.getLocalizedMessage() == null ? t.getClass().getName() : t.getLocalizedMessage();
    }

    private static String print(Throwable t) {
        cut(t, Collections.newSetFromMap(new IdentityHashMap<>()));
        StringWriter w = new StringWriter();
        t.printStackTrace(new PrintWriter(w));
        return w.toString();
    }

    /** Ends stack traces where the runtime begins. */
    private static void cut(Throwable t, Set<Throwable> seen) {
        if (t == null || !seen.add(t)) return;
        StackTraceElement[] frames = t.getStackTrace();
        for (int i = 0; i < frames.length; i++) {
            if (frames[i].getClassName().startsWith("enilab.runtime.")) {
                t.setStackTrace(Arrays.copyOf(frames, i));
                break;
            }
        }
        cut(t.getCause(), seen);
        for (Throwable s : t.getSuppressed()) cut(s, seen);
    }

    String payload() {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("errorMessage", message);
        if (type != null) fields.put("errorType", type);
        if (stackTrace != null) fields.put("stackTrace", stackTrace);
        return Binding.write(fields);
    }

    String forLog() {
        return type == null && trace == null ? message + "\n" : message + ": " + type + "\n" + trace + "\n";
    }
}
