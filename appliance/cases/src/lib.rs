//! Pure rules of cases, ledgers and forms.
