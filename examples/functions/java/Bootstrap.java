import java.io.IOException;
import java.io.InputStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.net.HttpURLConnection;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.util.StringJoiner;

/** A custom runtime for Java, of the JDK alone: load the handler once, then for each event: next, handler, response or error. */
public final class Bootstrap {
    private static final String API = "http://" + System.getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/";

    /** What the Runtime API answered. */
    private static final class Answer {
        final String requestId;
        final String body;

        Answer(String requestId, String body) {
            this.requestId = requestId;
            this.body = body;
        }
    }

    public static void main(String[] args) throws IOException {
        Method handler = null;
        try {
            String name = System.getenv().getOrDefault("_HANDLER", "Function.handler");
            int dot = name.lastIndexOf('.');
            handler = Class.forName(name.substring(0, dot)).getMethod(name.substring(dot + 1), String.class);
        } catch (ReflectiveOperationException | RuntimeException e) {
            report("init/error", e);
            System.exit(1);
        }
        for (;;) { // the Runtime API going away ends it: so is the environment
            Answer next = call("GET", "invocation/next", null, null);
            String invocation = "invocation/" + next.requestId;
            String result;
            try {
                result = (String) handler.invoke(null, next.body);
            } catch (InvocationTargetException e) {
                report(invocation + "/error", e.getCause());
                continue;
            } catch (IllegalAccessException e) {
                report(invocation + "/error", e);
                continue;
            }
            call("POST", invocation + "/response", result, null);
        }
    }

    /** One request; the connection is kept for the next, and next may take for ever. */
    private static Answer call(String method, String route, String body, String errorType) throws IOException {
        HttpURLConnection c = (HttpURLConnection) new URL(API + route).openConnection();
        c.setRequestMethod(method);
        if (errorType != null) {
            c.setRequestProperty("Lambda-Runtime-Function-Error-Type", "Runtime." + errorType);
        }
        if (body != null) {
            byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
            c.setDoOutput(true);
            c.setFixedLengthStreamingMode(bytes.length);
            c.getOutputStream().write(bytes);
        }
        try (InputStream in = c.getInputStream()) { // throws from status 400 on
            return new Answer(c.getHeaderField("Lambda-Runtime-Aws-Request-Id"), new String(in.readAllBytes(), StandardCharsets.UTF_8));
        }
    }

    private static void report(String route, Throwable e) throws IOException {
        StringJoiner trace = new StringJoiner(",", "[", "]");
        for (StackTraceElement line : e.getStackTrace()) {
            trace.add(quote(line.toString()));
        }
        String type = e.getClass().getSimpleName();
        String body = "{\"errorType\":" + quote(type) + ",\"errorMessage\":" + quote(String.valueOf(e.getMessage())) + ",\"stackTrace\":" + trace + "}";
        System.err.println(body);
        call("POST", route, body, type);
    }

    /** A text as a JSON string. */
    static String quote(String text) {
        StringBuilder b = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            if (c == '"' || c == '\\') {
                b.append('\\').append(c);
            } else if (c < ' ') {
                b.append(String.format("\\u%04x", (int) c));
            } else {
                b.append(c);
            }
        }
        return b.append('"').toString();
    }
}
