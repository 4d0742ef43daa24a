package enilab.runtime;

import com.amazonaws.services.lambda.runtime.LambdaLogger;
import com.amazonaws.services.lambda.runtime.logging.LogFormat;
import com.amazonaws.services.lambda.runtime.logging.LogLevel;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;

/** The function's logger. On AWS each call is a record of its own; here it is at least a line. */
final class Log implements LambdaLogger {
    private final LogFormat format = LogFormat.fromString(System.getenv().getOrDefault("AWS_LAMBDA_LOG_FORMAT", "TEXT"));
    private final LogLevel least = LogLevel.fromString(System.getenv().getOrDefault("AWS_LAMBDA_LOG_LEVEL", "UNDEFINED"));
    volatile String requestId;

    @Override
    public void log(String message) {
        log(message, LogLevel.UNDEFINED);
    }

    @Override
    public void log(byte[] message) {
        log(message, LogLevel.UNDEFINED);
    }

    @Override
    public void log(byte[] message, LogLevel level) {
        if (enabled(level)) print(message == null ? null : new String(message, StandardCharsets.UTF_8)); // bytes are formatted already
    }

    @Override
    public void log(String message, LogLevel level) {
        if (!enabled(level)) return;
        if (format == LogFormat.JSON) {
            Map<String, Object> line = new LinkedHashMap<>();
            line.put("timestamp", Instant.now().truncatedTo(ChronoUnit.MILLIS).toString());
            line.put("message", message);
            line.put("level", level);
            if (requestId != null) line.put("AWSRequestId", requestId);
            line.values().removeIf(Objects::isNull);
            print(Binding.write(line));
        } else {
            print(level == LogLevel.UNDEFINED ? message : "[" + level + "] " + message);
        }
    }

    /** What the runtime has to say of a failure. */
    void error(String text) {
        log(text, format == LogFormat.JSON ? LogLevel.ERROR : LogLevel.UNDEFINED);
    }

    private boolean enabled(LogLevel level) {
        return level == LogLevel.UNDEFINED || level.compareTo(least) >= 0;
    }

    private static void print(String message) {
        String text = String.valueOf(message); // as println does
        synchronized (System.out) {
            System.out.print(text);
            if (!text.endsWith("\n")) System.out.println();
            System.out.flush();
        }
    }
}
