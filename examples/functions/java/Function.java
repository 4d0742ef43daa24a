import java.io.DataInputStream;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.ThreadLocalRandom;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The example function in Java, without packages. */
public final class Function {
    private static final int PATIENCE = 2000; // ms, for each server
    private static final String INSTANCE = String.format("%08x", ThreadLocalRandom.current().nextInt()); // once per environment
    private static int invocation;

    /** The names of these types are the errorType that Lambda reports. */
    static final class RedisError extends Exception {
        RedisError(String who, Exception e) {
            super("redis " + who + ": " + e.getMessage(), e);
        }
    }

    static final class WhoamiError extends Exception {
        WhoamiError(String who, Exception e) {
            super("whoami " + who + ": " + e.getMessage(), e);
        }
    }

    public static String handler(String event) throws RedisError, WhoamiError {
        String answer = "\"runtime\":\"java\",\"instance\":\"" + INSTANCE + "\",\"invocation\":" + ++invocation;
        String redis = field(event, "redis", System.getenv("REDIS_ADDR"));
        if (redis != null) {
            try {
                answer += ",\"tenant\":" + Bootstrap.quote(get(redis, field(event, "key", "tenant")));
            } catch (IOException | RuntimeException e) {
                throw new RedisError(redis, e);
            }
        }
        String url = field(event, "whoami", System.getenv("WHOAMI_URL"));
        if (url != null) {
            try {
                answer += ",\"whoami\":" + Bootstrap.quote(whoami(url));
            } catch (IOException | RuntimeException e) {
                throw new WhoamiError(url, e);
            }
        }
        return "{" + answer + "}";
    }

    /** A string in the JSON, if it is there and not empty. The JDK has no JSON: a teaching piece, not a parser. */
    private static String field(String json, String name, String otherwise) {
        Matcher m = Pattern.compile("\"" + name + "\"\\s*:\\s*\"([^\"\\\\]+)\"").matcher(json);
        return m.find() ? m.group(1) : otherwise;
    }

    private static Socket connect(String address) throws IOException {
        int colon = address.lastIndexOf(':');
        Socket s = new Socket();
        s.setSoTimeout(PATIENCE);
        try {
            s.connect(new InetSocketAddress(address.substring(0, colon), Integer.parseInt(address.substring(colon + 1))), PATIENCE);
        } catch (IOException e) {
            s.close();
            throw e;
        }
        return s;
    }

    /** Asks Redis in its own protocol, RESP: an array of strings goes out, "$<length>\r\n<value>\r\n" comes back. */
    private static String get(String address, String key) throws IOException {
        byte[] name = key.getBytes(StandardCharsets.UTF_8);
        try (Socket s = connect(address)) {
            s.getOutputStream().write(("*2\r\n$3\r\nGET\r\n$" + name.length + "\r\n" + key + "\r\n").getBytes(StandardCharsets.UTF_8));
            DataInputStream in = new DataInputStream(s.getInputStream());
            StringBuilder head = new StringBuilder();
            for (int c; (c = in.read()) != '\r'; head.append((char) c)) {
                if (c < 0) {
                    throw new IOException("connection closed");
                }
            }
            if (head.toString().equals("$-1")) {
                throw new IOException("GET " + key + ": no such key");
            }
            if (head.charAt(0) != '$') {
                throw new IOException("GET " + key + ": " + head.substring(1));
            }
            in.readByte(); // the line's end has two
            return new String(in.readNBytes(Integer.parseInt(head.substring(1))), StandardCharsets.UTF_8);
        }
    }

    /** HTTP/1.0, so that the server closes when it has answered; a new connection each time, so a new source port. */
    private static String whoami(String url) throws IOException {
        String rest = url.substring("http://".length());
        int slash = rest.indexOf('/');
        String host = slash < 0 ? rest : rest.substring(0, slash);
        String path = slash < 0 ? "/" : rest.substring(slash);
        try (Socket s = connect(host.contains(":") ? host : host + ":80")) {
            s.getOutputStream().write(("GET " + path + " HTTP/1.0\r\nHost: " + host + "\r\n\r\n").getBytes(StandardCharsets.UTF_8));
            String client = field(new String(s.getInputStream().readAllBytes(), StandardCharsets.UTF_8), "client", null);
            if (client == null) {
                throw new IOException("no client in the answer");
            }
            return client;
        }
    }
}
