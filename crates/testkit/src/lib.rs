//! Test application, fakes and a checking client
