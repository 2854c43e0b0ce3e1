//! The function-call message of the frontend/backend protocol, which drivers keep for large objects.

use pg_backstop_tests::{Database, PORT};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

pub struct Session(UnixStream);

impl Session {
    /// # Panics
    /// When the server refuses.
    pub fn open(db: &Database, role: &str) -> Session {
        let socket = db.endpoint.socket.join(format!(".s.PGSQL.{}", PORT));
        let mut stream = UnixStream::connect(socket).expect("the server listens");
        let words = format!("user\0{role}\0database\0{}\0\0", db.name);
        let mut startup = (words.len() as u32 + 8).to_be_bytes().to_vec();
        startup.extend_from_slice(&196_608u32.to_be_bytes());
        startup.extend_from_slice(words.as_bytes());
        stream.write_all(&startup).expect("the server reads");
        let mut session = Session(stream);
        session
            .until_ready()
            .expect("nobody is asked for a password");
        session
    }

    /// Calls the function of this OID with texts as its arguments: its result, or the SQLSTATE.
    pub fn call(&mut self, function: u32, arguments: &[&str]) -> Result<String, String> {
        let mut body = function.to_be_bytes().to_vec();
        // All arguments are texts, and so is the result.
        body.extend_from_slice(&0u16.to_be_bytes());
        body.extend_from_slice(&(arguments.len() as u16).to_be_bytes());
        for argument in arguments {
            body.extend_from_slice(&(argument.len() as u32).to_be_bytes());
            body.extend_from_slice(argument.as_bytes());
        }
        body.extend_from_slice(&0u16.to_be_bytes());
        let mut message = vec![b'F'];
        message.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
        message.extend_from_slice(&body);
        self.0.write_all(&message).expect("the server reads");
        self.until_ready()
    }

    fn until_ready(&mut self) -> Result<String, String> {
        let mut outcome = Ok(String::new());
        loop {
            let mut head = [0; 5];
            self.0.read_exact(&mut head).expect("the server answers");
            let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize - 4;
            let mut body = vec![0; length];
            self.0.read_exact(&mut body).expect("the server answers");
            match head[0] {
                b'V' => outcome = Ok(String::from_utf8_lossy(&body[4..]).into_owned()),
                b'E' => outcome = Err(sqlstate(&body)),
                b'Z' => return outcome,
                _ => {}
            }
        }
    }
}

/// The field `C` of an ErrorResponse.
fn sqlstate(body: &[u8]) -> String {
    let code = body
        .split(|byte| *byte == 0)
        .find_map(|field| field.strip_prefix(b"C"));
    String::from_utf8_lossy(code.unwrap_or_default()).into_owned()
}
