export default function Page() { return <div className="content">…</div>; }
