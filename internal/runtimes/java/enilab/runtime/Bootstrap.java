package enilab.runtime;

import com.amazonaws.services.lambda.runtime.LambdaRuntime;
import com.amazonaws.services.lambda.runtime.LambdaRuntimeInternal;
import java.io.File;
import java.io.IOException;
import java.io.PrintStream;
import java.lang.reflect.Field;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The runtime of the lab for Java: it loads the function's handler once, then for each event: next, handler, answer.
 *
 * <p>What it does is what AWS's runtime does as its open part shows it, https://github.com/aws/aws-lambda-java-libs
 * (aws-lambda-java-runtime-interface-client 2.8): what names a handler, which signatures it may have, what an error looks
 * like. It needs Java 11 and nothing but the JDK.
 */
public final class Bootstrap {
    private static final String TRACE = "com.amazonaws.xray.traceHeader"; // where AWS's X-Ray library looks

    private Bootstrap() {}

    public static void main(String[] args) throws IOException {
        System.setOut(new PrintStream(System.out, true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(System.err, true, StandardCharsets.UTF_8));
        Log log = new Log();
        RuntimeApi api = new RuntimeApi(System.getenv("AWS_LAMBDA_RUNTIME_API"));
        Handler handler;
        ClassLoader loader = codeLoader(System.getenv("LAMBDA_TASK_ROOT"));
        Thread.currentThread().setContextClassLoader(loader);
        try {
            setLogger(log);
            handler = Handler.load(System.getenv("_HANDLER"), loader);
        } catch (Fault f) {
            log.error(f.forLog());
            api.report("init/error", f, "Runtime.BadFunctionCode");
            System.exit(1);
            return;
        }
        for (boolean goOn = true; goOn; ) goOn = serveOne(api, handler, log, loader);
        System.exit(1);
    }

    /** The code's own directory and libraries, and those of layers. What AWS's library has in them is the runtime's. */
    private static ClassLoader codeLoader(String root) throws MalformedURLException {
        List<URL> urls = new ArrayList<>();
        urls.add(new File(root + "/").toURI().toURL());
        for (String dir : new String[] {root + "/lib", "/opt/java/lib"}) {
            String[] names = new File(dir).list((d, name) -> name.endsWith(".jar") && name.length() > 4);
            if (names == null) continue;
            Arrays.sort(names);
            for (String name : names) urls.add(new File(dir, name).toURI().toURL());
        }
        return new URLClassLoader(urls.toArray(new URL[0]), ClassLoader.getSystemClassLoader());
    }

    private static void setLogger(Log log) {
        try {
            Field logger = LambdaRuntime.class.getDeclaredField("logger");
            logger.setAccessible(true);
            logger.set(null, log);
        } catch (ReflectiveOperationException e) {
            throw new AssertionError(e); // it is there
        }
    }

    /** Returns whether the environment can serve another event. */
    private static boolean serveOne(RuntimeApi api, Handler handler, Log log, ClassLoader loader) throws IOException {
        RuntimeApi.Answer event = api.next();
        LambdaContext context = new LambdaContext(event.headers, log);
        String id = context.getAwsRequestId();
        log.requestId = id;
        if (LambdaRuntimeInternal.getUseLog4jAppender()) tellLog4j(id, loader);
        String trace = context.getXrayTraceId();
        if (trace == null) System.clearProperty(TRACE);
        else System.setProperty(TRACE, trace);
        try {
            byte[] answer = handler.call(event.body, context);
            api.respond(id, answer);
            Thread.interrupted(); // whoever interrupted the handler did not mean the runtime
            return true;
        } catch (Throwable t) {
            Fault f = Fault.thrown(t);
            log.error(f.forLog()); // first, so that it stands before the invocation's end
            api.report("invocation/" + id + "/error", f, t instanceof Fault ? "Runtime.BadFunctionCode" : "Runtime.UserException");
            return !f.fatal;
        } finally {
            System.out.flush();
            System.err.flush();
        }
    }

    /** Tells the first version of Log4j, and its successor. */
    private static void tellLog4j(String id, ClassLoader loader) {
        boolean first = put("org.apache.log4j.MDC", Object.class, id, loader);
        if (put("org.apache.logging.log4j.ThreadContext", String.class, id, loader) || first) return;
        System.err.println("Customer using log4j appender but unable to load either org.apache.log4j.MDC or org.apache.logging.log4j.ThreadContext. Customer cannot see RequestId in log4j log lines.");
    }

    private static boolean put(String className, Class<?> kind, String id, ClassLoader loader) {
        try {
            loader.loadClass(className).getMethod("put", String.class, kind).invoke(null, "AWSRequestId", id);
            return true;
        } catch (ReflectiveOperationException e) {
            return false;
        }
    }
}
